"""ReXrank's files: studies by id in a JSON object, as its leaderboard gives them out and takes them back.

A study has image_path [..], key_image_path, frontal_lateral [..], context, section_findings and section_impression (a
text, or NaN where the report has no such section), report, split and subject_id; a model adds model_prediction.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from camanet_jax.data.schema import read_json_object, summarise

PREDICTION = 'model_prediction'
SECTIONS = ('findings', 'both')
CONTEXT_NAMES = 'Age|Gender|Indication|Comparison'
CONTEXT = re.compile(rf'\b({CONTEXT_NAMES}):\s*(.*?)\s*(?=(?:{CONTEXT_NAMES}):|$)', re.S)
FINDINGS = re.compile(r'\s*Findings:', re.I)
IMPRESSION = re.compile(r'\b(?:Impression|IMPRESSION):|(?:^|[.\n])\s*impression:')  # not "an old impression: .."
NOTHING = 'None'  # what stands for a section that is missing


def read_rexrank(path: Path) -> dict[str, dict[str, Any]]:
    """The studies of a file, in its order.

    Raises:
      ValueError: it is not such a file; the faulty studies are listed.
    """
    if not path.is_file():
        raise ValueError(f'{path}: no such file; expected a ReXrank file, studies by id')
    studies = read_json_object(path)
    wrong = [
        f'{study_id}: expected an object with section_findings and section_impression'
        for study_id, study in studies.items()
        if not isinstance(study, dict) or not {'section_findings', 'section_impression'} <= study.keys()
    ]
    if wrong or not studies:
        raise ValueError(
            f'{path}: expected a ReXrank file, studies by id; got '
            f'{summarise(wrong, "problem", "problems") if wrong else "none"}'
        )
    return studies


def reference(study: Mapping[str, Any], section: str) -> str:
    """The text that a prediction is compared with; '' where the report has none of the sections.

    Of both sections it is "Findings: .. Impression: ..", with the word None for one that is missing, as ReXrank has it.
    """
    findings, impression = (_text(study[f'section_{name}']) for name in ('findings', 'impression'))
    if section == 'findings':
        return findings or ''
    return f'Findings: {findings} Impression: {impression}' if findings or impression else ''


def prediction(study: Mapping[str, Any], section: str) -> str | None:
    """A model's text, or its findings; None where it wrote nothing for this study."""
    written = study.get(PREDICTION)
    if section != 'findings' or not isinstance(written, str):
        return written
    heading, impression = FINDINGS.match(written), IMPRESSION.search(written)
    end = impression.start() + impression[0].startswith('.') if impression else len(written)
    if heading:
        findings = written[heading.end() : end].strip()
        return '' if findings == NOTHING else findings
    return written if written[:end].strip() else ''


def patient_context(study: Mapping[str, Any]) -> dict[str, str] | None:
    """Age and indication from a study's context, as CRIMSON takes them; None where neither is given."""
    fields = {name: value.rstrip(' .') for name, value in CONTEXT.findall(_text(study.get('context')) or '')}
    return {name: fields[name] for name in ('Age', 'Indication') if fields.get(name)} or None


def listed(field: Any) -> list[Any]:
    """A field of one entry per film; NaN and null stand for none."""
    return field if isinstance(field, list) else [field] if _text(field) else []


def _text(field: Any) -> str | None:
    return field if isinstance(field, str) and field.strip() else None
