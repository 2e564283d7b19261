from importlib import metadata

from camanet_jax.run import provenance


def test_code_that_is_not_installed_is_named_by_its_sources(tmp_path, monkeypatch):
    """As of a run in a copy of the repository that is only on the path: it ends without an error."""

    def version(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(provenance, '__file__', str(tmp_path / 'package' / 'run' / 'provenance.py'))
    monkeypatch.setattr(provenance.importlib.metadata, 'version', version)
    assert provenance.code_version.__wrapped__().keys() == {'sources'}
