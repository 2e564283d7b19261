"""The section of a report that is the target, and what its indication tells of the patient."""

import dataclasses
import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any

from camanet_jax.data.schema import Study

LOG = logging.getLogger(__name__)

SECTIONS = ('findings', 'impression', 'both')

_AGE = re.compile(r'\b(\d{1,3})[ -]*(?:(?:years?|yrs?)[ -]*old|y[./]?o|(?=[MF]\b))', re.I)
_LETTER = r'(?:\d|_|\d ?y[./]?o\.?|old)[ -]*'  # comes before a sex in one letter: 81M, ___F, 53yof, 45 y/o F
_SEXES = {
    'F': re.compile(rf'\b(?:female|woman|lady|girl)\b|{_LETTER}F\b', re.I),
    'M': re.compile(rf'\b(?:male|man|gentleman|boy)\b|{_LETTER}M\b', re.I),
}


def section_of(details: Mapping[str, Any], section: str) -> str:
    """A section of a report, or both in a row; '' where it has none, or not both.

    Raises:
      ValueError: the section is unknown.
    """
    if section not in SECTIONS:
        raise ValueError(f'expected the section as one of {", ".join(SECTIONS)}, got {section!r}')
    if section != 'both':
        return details.get(section, '')
    texts = [details.get(name, '').strip() for name in ('findings', 'impression')]
    return ' '.join(texts) if all(texts) else ''


def with_section(studies: Sequence[Study], section: str, source: object) -> list[Study]:
    """The studies with that section as their report, without those that have none, which are counted.

    Raises:
      ValueError: no study has it, or the section is unknown.
    """
    chosen = [
        dataclasses.replace(study, report=text) for study in studies if (text := section_of(study.details, section))
    ]
    if not chosen:
        raise ValueError(
            f'{source}: expected studies with the section {section!r}, got none in {len(studies):,}. annotation.json '
            'keeps sections under "findings" and "impression"; scripts/prepare_data.py writes them from the archives.'
        )
    if lacking := len(studies) - len(chosen):
        LOG.info('%s: left out %d of %d studies, without the section %r', source, lacking, len(studies), section)
    return chosen


def patient_details(indication: str) -> dict[str, str]:
    """Age in years and sex (F or M) as far as an indication tells them: 'A 57-year-old woman with cough.'"""
    age = _AGE.search(indication)
    sexes = [sex for sex, words in _SEXES.items() if words.search(indication)]
    return ({'age': age[1]} if age else {}) | ({'sex': sexes[0]} if len(sexes) == 1 else {})
