"""Computes other programs' scores of exported pairs, in an environment of their own. Standard library alone until then.

    python third_party/radeval/score_pairs.py pairs.json radeval.json
    python third_party/radeval/score_pairs.py pairs.json radeval.json --slow
    python third_party/radeval/score_pairs.py pairs.json radeval.json --metrics radgraph radgraph_radcliq

Makes the environment where there is none, then scores in it: RadEval's metrics in two passes, by study and of the whole
set, since each pass gives scores that the other has not. A metric whose model cannot be had costs no other.
"""

import argparse
import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
import venv
from pathlib import Path

PACKAGES = ('radeval==2.2.1', 'bert-score', 'crimson-score')
# Milliseconds a pair to seconds for a hundred; GREEN and CRIMSON are language models of 7 and 4 billion weights.
PANEL = (
    'bleu', 'rouge', 'bertscore', 'bertscore_distilroberta', 'radeval_bertscore', 'f1chexbert', 'radgraph',
    'radgraph_radcliq', 'ratescore', 'radcliq', 'srrbert', 'temporal',
)  # fmt: skip
SLOW = ('green', 'crimson')
DOWNLOADS_NOTHING = ('bleu', 'rouge')
OFFLINE = (
    'The models of {} are downloaded once from the Hugging Face hub (of temporal from stanza, too). Without a network '
    'run the same command where there is one, copy its folder HF_HOME (by default ~/.cache/huggingface) and '
    '~/.cache/chexbert here, and set HF_HUB_OFFLINE=1; or name the metrics that need none: --metrics {}.'
)


def main() -> int:
    """Parses the command line and scores, in the environment; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('pairs', type=Path, help='what scripts/score.py --export wrote')
    parser.add_argument('scores', type=Path, help='what scripts/score.py --merge reads')
    parser.add_argument(
        '--metrics', nargs='+', default=PANEL, choices=(*PANEL, *SLOW), help='by default all but slow ones'
    )
    parser.add_argument('--slow', action='store_true', help='adds GREEN (about 2 s a pair on a GPU) and CRIMSON')
    parser.add_argument('--environment', type=Path, default='radeval_env', help='a folder, made where there is none')
    options = parser.parse_args()
    if importlib.util.find_spec('radeval') is None:
        return in_environment(options.environment)
    metrics = list(dict.fromkeys([*options.metrics, *(SLOW if options.slow else ())]))
    if loaded := [metric for metric in metrics if metric not in DOWNLOADS_NOTHING]:
        print(OFFLINE.format(', '.join(loaded), ' '.join(DOWNLOADS_NOTHING)))
    pairs = json.loads(options.pairs.read_text(encoding='utf-8'))
    failed = score(pairs, metrics, options.scores)
    for metric, reason in failed.items():
        print(f'{metric} has no scores: {reason}', file=sys.stderr)
    return 1 if failed else 0


def in_environment(folder: Path) -> int:
    """Runs this command with the environment's Python, making the environment if need be."""
    python = folder / ('Scripts/python.exe' if os.name == 'nt' else 'bin/python')
    if Path(sys.executable).absolute() == python.absolute():
        sys.exit(f'{folder} has no radeval; remove the folder to have it made anew')
    if not python.exists():
        print(f'Making the environment {folder}: {", ".join(PACKAGES)}, several gigabytes')
        venv.create(folder, with_pip=True)
        if subprocess.run([python, '-m', 'pip', 'install', *PACKAGES], check=False).returncode:
            sys.exit(f'{folder} lacks packages; without a network install {" ".join(PACKAGES)} there from wheels')
    return subprocess.run([python, __file__, *sys.argv[1:]], check=False).returncode


def score(pairs: dict, metrics: list[str], output: Path) -> dict[str, str]:
    """Scores each metric, writing what there is after each; returns why which have none."""
    names = ('radeval', 'radgraph', 'RaTEScore', 'bert-score', 'crimson-score')
    found = {
        **{name: pairs[name] for name in ('ids', 'protocol', 'texts_sha256') if name in pairs},
        'versions': {name: version for name in names if (version := installed(name))},
        'per_study': {},
        'set': {},
        'failed': {},
    }
    for metric in metrics:
        try:
            per_study, whole = OWN.get(metric, radeval_scores)(metric, pairs)
        except Exception as error:  # whatever a third party raises: the other metrics still count
            found['failed'][metric] = f'{type(error).__name__}: {error}'
        else:
            found['per_study'] |= per_study
            found['set'] |= whole
        written = output.with_name(f'.{output.name}.tmp')
        written.write_text(json.dumps(found, default=float, ensure_ascii=False), encoding='utf-8')
        written.replace(output)
    return found['failed']


def installed(package: str) -> str | None:
    """The version of a package, where it is installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def radeval_scores(metric: str, pairs: dict) -> tuple[dict, dict]:
    """RadEval's scores by study and of the set, under its own names."""
    from radeval import RadEval

    texts = {'refs': pairs['references'], 'hyps': pairs['hypotheses']}
    return tuple(RadEval(metrics=[metric], per_sample=per_sample)(**texts) for per_sample in (True, False))


def bertscore_distilroberta(metric: str, pairs: dict) -> tuple[dict, dict]:
    """ReXrank's BERTScore, which is not RadEval's: distilroberta-base, rescaled, no weights, single blanks."""
    from bert_score import BERTScorer

    scorer = BERTScorer(model_type='distilroberta-base', lang='en', rescale_with_baseline=True, idf=False)
    sides = ([' '.join(text.split()) for text in pairs[name]] for name in ('hypotheses', 'references'))
    values = scorer.score(*sides)[2].tolist()
    return {metric: values}, {metric: sum(values) / len(values)}


def crimson(metric: str, pairs: dict) -> tuple[dict, dict]:
    """CRIMSON with each patient's age and indication, which RadEval does not pass on, and its counts of errors."""
    from CRIMSON import CRIMSONScore

    scorer = CRIMSONScore()
    contexts = pairs.get('contexts') or [None] * len(pairs['ids'])
    results = [
        scorer.evaluate(reference_findings=reference, predicted_findings=report, patient_context=context)
        for reference, report, context in zip(pairs['references'], pairs['hypotheses'], contexts, strict=True)
    ]
    values = [result['crimson_score'] for result in results]
    errors = {
        f'{metric}_{kind}': [result['error_counts'][kind] for result in results]
        for kind in ('false_findings', 'missing_findings', 'attribute_errors')
    }
    return {metric: values, **errors}, {metric: sum(values) / len(values)}


OWN = {'bertscore_distilroberta': bertscore_distilroberta, 'crimson': crimson}

if __name__ == '__main__':
    sys.exit(main())
