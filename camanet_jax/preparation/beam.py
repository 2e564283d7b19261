"""Preparation on a cluster: Apache Beam's runners, given to TFDS."""

from collections.abc import Sequence
from typing import Any


def beam_options(runner: str, arguments: Sequence[str]) -> dict[str, Any]:
    """What `tfds.download.DownloadConfig` is told for a Beam runner.

    Args:
      runner: Beam's name, e.g. 'DirectRunner', 'DataflowRunner', 'FlinkRunner'.
      arguments: of the pipeline, as Beam's own command line takes them, e.g. '--project=...'.

    Raises:
      ValueError: Apache Beam is not installed.
    """
    try:
        from apache_beam.options.pipeline_options import PipelineOptions
    except ImportError as error:
        raise ValueError("a Beam runner needs Apache Beam: pip install 'camanet_jax[beam]'") from error
    return {'beam_runner': runner, 'beam_options': PipelineOptions([f'--runner={runner}', *arguments])}
