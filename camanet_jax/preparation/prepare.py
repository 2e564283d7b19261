"""The steps of `scripts/prepare_data.py`: collect studies, label them, write the folder, write its records."""

import dataclasses
import logging
from argparse import Namespace
from pathlib import Path

from camanet_jax.data.schema import SPLITS
from camanet_jax.preparation.beam import beam_options
from camanet_jax.preparation.folder import Collected, check_output, count_splits, write_study_folder
from camanet_jax.preparation.iu_xray import collect_iu_xray
from camanet_jax.preparation.mimic_cxr import collect_mimic_cxr, study_number
from camanet_jax.preparation.mimic_tables import find_table
from camanet_jax.preparation.own_data import collect_own
from camanet_jax.preparation.records import write_records
from camanet_jax.preparation.study_labels import BY_RULES, label_by_rules, label_from_file, label_from_mimic_table

LOG = logging.getLogger(__name__)

MIMIC_TABLES = ('chexpert', 'negbio')


def prepare_data(options: Namespace) -> None:
    """Prepares one data set.

    Args:
      options: the command line of `scripts/prepare_data.py`.

    Raises:
      ValueError: the source has faults; the message says which.
    """
    if not options.source.is_dir():
        raise ValueError(f'{options.source}: expected the folder of the raw data')
    check_output(options.source, options.output)
    beam = (
        beam_options(options.beam_runner, [f'--{option}' for option in options.beam_options])
        if options.beam_runner
        else {}
    )
    collected = label(collect(options), options)
    write_study_folder(options.output, collected, options.store)
    counts = count_splits(collected.studies)
    LOG.info('%s: %s studies', options.output, ', '.join(f'{counts[split]:,} {split}' for split in SPLITS))
    if not options.annotation_only:
        write_records(
            options.output,
            only_existing_images=getattr(options, 'only_existing_images', False),
            processes=options.processes,
            **beam,
        )
    if not (options.output / 'labels.json').exists():
        LOG.info(
            'There are no labels yet. Write %s with scripts/label_reports.py, or give --labels=rules here',
            options.output / 'labels.json',
        )


def collect(options: Namespace) -> Collected:
    """The studies of the source."""
    source, output = options.source, options.output
    if options.kind == 'iu_xray':
        return collect_iu_xray(
            source, output, annotation=options.annotation, only_existing_images=options.only_existing_images
        )
    if options.kind == 'mimic_cxr':
        return collect_mimic_cxr(
            source, reports=options.reports, annotation=options.annotation, samples=options.samples, views=options.views
        )
    return collect_own(
        source,
        output,
        table=options.table,
        patient_rule=options.patient_rule,
        decode_images=not options.only_look,
        uncertain=options.uncertain,
    )


def label(collected: Collected, options: Namespace) -> Collected:
    """The same with the labels asked for, which are noted among the facts."""
    if not options.labels:
        return collected
    if options.kind == 'mimic_cxr' and options.labels in MIMIC_TABLES:
        table = find_table(options.source, options.labels)
        studies = label_from_mimic_table(collected.studies, table, options.uncertain, study_number)
    elif options.labels == BY_RULES:
        studies = label_by_rules(collected.studies, options.uncertain)
    else:
        studies = label_from_file(collected.studies, Path(options.labels), options.uncertain)
    facts = collected.facts | {'labels': options.labels, 'uncertain_labels': options.uncertain}
    return dataclasses.replace(collected, studies=studies, facts=facts)
