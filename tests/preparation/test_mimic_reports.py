import pytest

from camanet_jax.preparation.mimic_reports import read_sections


@pytest.mark.parametrize(
    ('report', 'findings'),
    [
        (' FINDINGS:  Clear.\n Big heart.\n\n IMPRESSION: Nothing.', 'Clear.\n Big heart.'),
        ('\r\n FINDINGS:\r\n Clear.\r\n IMPRESSION: Nothing.', 'Clear.'),
        (' HISTORY: Cough.\n FINDING: Clear.\n CONCLUSION: Well.', 'Clear.'),
        (' FINDNGS: Clear.\n RECOMMENDATION(S): None.', 'Clear.'),
        (' FINDIGNS: Clear.\n NOTIFICATION: By phone.', 'Clear.'),
        ('Findings: Clear.\nImpression: Nothing.', 'Clear.'),
        (' FINDINGS\n\n Clear.\n\n IMPRESSION\n Nothing.', 'Clear.'),
        (' FINDINGS: Clear. IMPRESSION: Nothing.', 'Clear.'),
        (' FINDINGS:\n LUNGS: Clear.\n HEART: Big.\n\n IMPRESSION: Nothing.', 'LUNGS: Clear.\n HEART: Big.'),
        (' FINDINGS: Old reading.\n ADDENDUM: Later.\n FINDINGS: New reading.\n IMPRESSION: x', 'New reading.'),
        (' FINDINGS: Clear.\n\n FINDINGS:\n\n IMPRESSION: Nothing.', 'Clear.'),
        (' FINDINGS: ___\n IMPRESSION: Nothing.', ''),
        (' FINDINGS:\n IMPRESSION: Nothing.', ''),
        (' CHEST\n\n The findings were told to a colleague: nothing.\n\n IMPRESSION: Nothing.', ''),
        (' FINDINGS: Two views, 3:15 P.M.: clear.\n COMPARISON: None.', 'Two views, 3:15 P.M.: clear.'),
        ('', ''),
    ],
)
def test_findings_are_found(report, findings):
    assert read_sections(report).texts.get('findings', '') == findings


@pytest.mark.parametrize('heading', ['FINDINGS AND IMPRESSION', 'FINDINGS/IMPRESSION', 'IMPRESSION AND FINDINGS'])
def test_one_heading_for_both_is_reported(heading):
    found = read_sections(f' {heading}:  Clear.\n\n RECOMMENDATION: None.')
    assert (found.texts['findings'], found.findings_with_impression) == ('Clear.', True)
    assert not read_sections(' FINDINGS: Clear.\n IMPRESSION: Nothing.').findings_with_impression


def test_the_other_sections():
    report = (
        ' HISTORY: ___F with cough.\n COMPARISON: ___.\n FINDINGS: Clear.\n IMPRESSION: Well.\n CONCLUSION: Very well.'
    )
    texts = {'indication': '___F with cough.', 'findings': 'Clear.', 'impression': 'Very well.'}
    assert read_sections(report).texts == texts, 'a comparison that was blanked out is none'
