"""One synthetic study from (seed, split, index): films, masks, labels, facts and report.

Findings, patient, exposure and wording are drawn from separate random streams of one key, so that none
carries information about another, and a change to the wording leaves every film as it was.
"""

import dataclasses
import io
import json
from typing import Any

import numpy as np
from PIL import Image

from camanet_jax.data.schema import OBSERVATIONS, SPLITS
from camanet_jax.synthetic.anatomy import Anatomy, sample_anatomy
from camanet_jax.synthetic.film import develop, pose_view
from camanet_jax.synthetic.findings import OBSERVED, Finding, labels_of, sample_findings
from camanet_jax.synthetic.frontal import draw_frontal
from camanet_jax.synthetic.lateral import draw_lateral
from camanet_jax.synthetic.lesions import add_finding, grow_anatomy
from camanet_jax.synthetic.reports import Likeliest, write_report

_VISIBLE = 0.3  # threshold of soft masks

_DRAW = {'frontal': draw_frontal, 'lateral': draw_lateral}
VIEWS = tuple(_DRAW)


@dataclasses.dataclass(frozen=True)
class SyntheticStudy:
    """A study and its ground truth."""

    id: str
    report: str
    labels: tuple[int, ...]  # [Y] of 0 or 1
    findings: tuple[Finding, ...]
    films: np.ndarray  # uint8 [I, height, width]
    masks: np.ndarray  # bool [findings, I, height, width], empty where a view shows nothing


def make_study(seed: int, split: str, index: int, image_size: int, plain: bool = False) -> SyntheticStudy:
    """Makes study `index` of a split, a function of its arguments alone; square films of `image_size` pixels.

    `plain` reports say the same thing always in the same words.
    """
    key = np.random.SeedSequence([seed, SPLITS.index(split), index])
    facts, patient, exposure, words = map(np.random.default_rng, key.spawn(4))
    findings = sample_findings(facts)
    anatomy = grow_anatomy(sample_anatomy(patient), findings)
    seeds = facts.integers(2**31, size=len(findings)).tolist()
    drawn = [_take_film(name, anatomy, findings, seeds, image_size, exposure) for name in VIEWS]
    return SyntheticStudy(
        id=f'{split}-{index:05d}',
        report=write_report(findings, Likeliest() if plain else words),
        labels=labels_of(findings),
        findings=findings,
        films=np.stack([film for film, _ in drawn]),
        masks=np.stack([masks for _, masks in drawn], axis=1),
    )


def _take_film(
    name: str,
    anatomy: Anatomy,
    findings: tuple[Finding, ...],
    seeds: list[int],
    image_size: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """One developed view [height, width] and the findings' masks [findings, height, width] in it."""
    film = _DRAW[name](anatomy, pose_view(name, image_size, rng))
    masks = np.zeros((len(findings), image_size, image_size), bool)
    for number, (finding, seed) in enumerate(zip(findings, seeds, strict=True)):
        film, mask = add_finding(film, anatomy, finding, seed)
        masks[number] = mask > _VISIBLE
    return develop(film.attenuation, rng), masks


def make_record(seed: int, split: str, index: int, image_size: int, plain: bool = False) -> dict[str, Any]:
    """Makes one study as the builder stores it: PNG bytes and plain values."""
    study = make_study(seed, split, index, image_size, plain)
    return {
        'id': study.id,
        'report': study.report,
        'labels': study.labels,
        'images': [_png(film) for film in study.films],
        'image_paths': [f'{study.id}/{view}.png' for view in range(len(VIEWS))],
        'masks': _mask_records(study),
        'findings': json.dumps(_finding_facts(study)),
    }


def _mask_records(study: SyntheticStudy) -> list[dict[str, Any]]:
    """One mask for each finding, view that shows it, and observation it stands for."""
    return [
        {'view': view, 'observation': OBSERVATIONS.index(name), 'mask': _png(mask * np.uint8(255))}
        for finding, views in zip(study.findings, study.masks, strict=True)
        for view, mask in enumerate(views)
        for name in OBSERVED[finding.kind]
        if mask.any()
    ]


def _finding_facts(study: SyntheticStudy) -> list[dict[str, Any]]:
    """Each finding in words, and by view the box (left, top, right, bottom) around it in pixels, its ends excluded."""
    facts = []
    for finding, views in zip(study.findings, study.masks, strict=True):
        boxes = {name: Image.fromarray(mask).getbbox() for name, mask in zip(VIEWS, views, strict=True) if mask.any()}
        facts.append(dataclasses.asdict(finding) | {'observations': OBSERVED[finding.kind], 'boxes': boxes})
    return facts


def _png(picture: np.ndarray) -> bytes:
    """A grey picture as the bytes of a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, 'PNG', compress_level=3)
    return buffer.getvalue()
