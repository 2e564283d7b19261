from study_folders import make_study_folder  # noqa: F401, a fixture
