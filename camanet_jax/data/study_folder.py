"""TFDS builder for a folder in the community's layout (schema.py): IU X-Ray, MIMIC-CXR, own data.

Images are stored as the bytes of their files, never encoded again.
"""

import dataclasses
import hashlib
import io
import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from camanet_jax.data.schema import (
    OBSERVATIONS,
    UNLABELLED,
    Study,
    read_annotation,
    summarise,
)
from camanet_jax.progress import Progress

LOG = logging.getLogger(__name__)


class StudyFolder(tfds.core.GeneratorBasedBuilder):
    """Prepares a study folder under `cache_dir`, keyed by what its annotation says."""

    VERSION = tfds.core.Version('1.0.0')

    def __init__(
        self,
        folder: str | Path,
        *,
        cache_dir: str | Path,
        only_existing_images: bool = False,
        labels_required: bool = True,
    ):
        """Reads and checks the annotation; nothing is written yet.

        Args:
            folder: Holds annotation.json, labels.json and images/.
            cache_dir: Where prepared data go; changed annotations go to a new place in it.
            only_existing_images: Leave out, and log, the studies whose image files are absent.
            labels_required: Refuse a folder without labels.json.

        Raises:
            ValueError: the annotation has problems, labels are missing, or image files are.
        """
        self._images_dir = Path(folder) / 'images'
        self.studies = read_annotation(folder)
        if labels_required and self.studies and self.studies[0].labels is None:
            raise ValueError(
                f'{folder}: labels.json is missing; the classifier learns from it '
                '(set labels_required=False to evaluate, or train Base, without)'
            )
        if only_existing_images:
            self.studies = self._with_images(self.studies)
        super().__init__(
            data_dir=Path(cache_dir) / _fingerprint(self.studies), file_format='array_record'
        )
        if not self.data_path.exists():
            self._check_images_exist()

    def _info(self) -> tfds.core.DatasetInfo:
        features = tfds.features.FeaturesDict(
            {
                'id': tfds.features.Text(),
                'report': tfds.features.Text(),
                'labels': tfds.features.Tensor(shape=(len(OBSERVATIONS),), dtype=np.int8),
                'images': tfds.features.Sequence(
                    tfds.features.Image(shape=(None, None, None))  # in view order
                ),
                'image_paths': tfds.features.Sequence(tfds.features.Text()),
            }
        )
        # Unshuffled: a record's index is the study's place in its split of the annotation.
        return tfds.core.DatasetInfo(builder=self, features=features, disable_shuffling=True)

    def download_and_prepare(self, **options: Any) -> None:
        """Copies the studies' files into records, with one progress bar over all of them."""
        with Progress('Preparing studies', len(self.studies)) as self._progress:
            super().download_and_prepare(**options)

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator]:
        del dl_manager  # nothing is downloaded
        splits = dict.fromkeys(study.split for study in self.studies)
        return {split: self._generate_examples(split) for split in splits}

    def _generate_examples(self, split: str) -> Iterator[tuple[int, dict[str, Any]]]:
        of_split = (study for study in self.studies if study.split == split)
        for number, study in enumerate(of_split):
            self._progress.advance()
            labels = study.labels or (UNLABELLED,) * len(OBSERVATIONS)
            encoded = [(self._images_dir / path).read_bytes() for path in study.image_paths]
            yield number, {
                'id': study.id,
                'report': study.report,
                'labels': np.array(labels, np.int8),
                'images': [io.BytesIO(image) for image in encoded],
                'image_paths': list(study.image_paths),
            }

    def _missing_images(self, study: Study) -> list[str]:
        paths = [self._images_dir / path for path in study.image_paths]
        return [str(path) for path in paths if not path.is_file()]

    def _with_images(self, studies: Sequence[Study]) -> list[Study]:
        kept = [study for study in studies if not self._missing_images(study)]
        if not kept:
            raise ValueError(f'{self._images_dir}: no study has all its image files')
        if dropped := len(studies) - len(kept):
            LOG.warning(
                'Left out %d of %d studies whose image files are not in %s',
                dropped,
                len(studies),
                self._images_dir,
            )
        return kept

    def _check_images_exist(self) -> None:
        missing = [path for study in self.studies for path in self._missing_images(study)]
        if missing:
            raise ValueError(
                f'{summarise(missing, "image file is missing", "image files are missing")} '
                '(set only_existing_images=True to leave such studies out)'
            )


def _fingerprint(studies: Sequence[Study]) -> str:
    content = json.dumps([dataclasses.astuple(study) for study in studies])
    return hashlib.sha256(content.encode()).hexdigest()[:16]
