"""From raw archives and own files to a data set that trains: a study folder and its records."""
