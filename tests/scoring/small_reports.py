"""Reports of a small data set, as written."""

NORMAL = 'The heart is normal in size. The lungs are clear.'
TRAIN = [NORMAL, NORMAL, 'No acute disease.', 'Small left pleural effusion.', 'There is a small left effusion.']
TEST = {
    'a': 'The heart is normal. There is a small left pleural effusion.',
    'b': 'The lungs are clear.',
    'c': 'No acute disease. The heart is enlarged.',
}
