"""The phrases the rule-based labeler reads, as regular expressions over one lower-case sentence.

Written from radiological usage. They must hold for written reports and for cleaned ones, which have
lost their commas, so no rule needs punctuation inside a sentence.

What a radiologist reading CheXpert's definitions would mark decided what usage leaves open:
  - A fracture is positive, healed or not: it is on the film. So is a nodule, calcified or not, but not
    what the sentence calls a granuloma.
  - "Scarring or atelectasis" is an uncertain atelectasis; scarring alone is none of the 14.
  - An opacity is no pneumonia and no edema, and a blunted angle no effusion, until the report says so.
  - A borderline heart is an uncertain cardiomegaly; the upper limit of normal is normal.
  - Devices that hold or watch the patient's life count (valves, stimulators, monitor leads); stents,
    clips, wires and the hardware of bones do not.
"""

# One word or more between the parts of a phrase, but not into another statement.
_GAP = r'(?:(?!\b(?:normal|unremarkable|but|aort\w+|arter\w+|lungs?|without)\b)[^;:]){0,50}?'
_HEART = r'(?:heart|cardiac (?:silhouettes?|size|shadow|contours?)|cardiomediastinal silhouettes?)'
_ENLARGED = r'(?:enlarg\w+|large|big|prominen\w+|increased|magnified)'
_VESSELS = r'(?:vascular\w*|vasculature|vessels)'
_AT_BASE = r'(?:bi)?(?:basilar|basal|bases|base|lower lobes?)'
_STREAKY = r'(?:streaky|linear|band ?-?like|plate ?-?like|discoid|subsegmental)'
_OPACITY = r'opaci(?:ty|ties|fications?|fied)'
# What makes a density one of the lung, not of bone.
_SHADOW = r'(?:vague|patchy|streaky|linear|hazy|ill-?defined|nodular|perihilar|retrocardiac|midlung|(?:bi)?basilar)'

# Text that names a finding without its presence being meant; blanked before anything is searched.
DECOYS = (
    r'pericardial (?:fluid|effusions?)',
    r'granulomatous (?:disease|infection|process\w*)',
    r'(?:soft tissue|breast|thyroid|rib|bony?) (?:mass|lesion)(?:es|s)?|mass effect',
    r'vascular engorgement (?:\w+ )?within (?:the )?(?:normal limits|limits of normal)',
    r'obscur\w+ (?:\w+ ){0,3}nodules?',
    r'(?:mediastinal|pleural|skin) lines?',
    r'(?<!non)(?<!not )(?<!un)(?<!non-)calcifi(?:c|ed) (?:\w+ ){0,2}?(?:opacit\w+|densit\w+)',
    # A nodule that the same breath calls a granuloma is a healed infection.
    r'granulomatous nodul\w+',
    r'(?:nod\w+|opacit\w+|densit\w+)(?:,? (?!(?:not|no|and|with)\b)[\w-]+){0,8},? granulom\w+',
    r'(?:history|evaluat\w+|assess\w*|exam\w*) (?:of|for) [a-z ]{3,30}',
)

# Where the mention of each observation counts as that observation, unless negated.
MENTIONS = {
    'Atelectasis': (
        r'atelecta\w+',
        r'(?:lung|lobe|lobar|partial|complete|total) collapse',
        r'collapsed? (?:\w+ ){0,3}(?:lung|lobe)',
    ),
    'Cardiomegaly': (
        r'cardiomegaly',
        rf'{_HEART} {_GAP}\b{_ENLARGED}',
        rf'{_ENLARGED} (?:\w+ ){{0,2}}{_HEART}',
        r'(?:cardiac|biventricular|ventricular|atrial) (?:enlargement|prominence|hypertrophy)',
        r'increase in (?:size of the )?(?:heart|cardiac)',
        r'enlargement of the (?:\w+ ){0,2}(?:heart|cardiac|atrium|ventricle)',
    ),
    'Consolidation': (r'consolidat\w+',),
    'Edema': (
        r'o?edema\b(?! of the (?:soft|skin|arm|leg))',
        r'(?:vascular|venous|pulmonary|interstitial) congestion|congesti(?:ve|on)\b',
        r'(?:heart|cardiac|ventricular) failure|\bchf\b|fluid overload|volume overload',
        rf'(?:prominen\w+|increased|engorged|indistinct) (?:\w+ ){{0,3}}{_VESSELS}',
        rf'{_VESSELS} (?:markings? )?(?:(?:is|are|appears?) )?(?:\w+ )?'
        r'(?:prominen\w+|increased|indistinct|congested|accentuated|engorge\w+)',
        r'kerley|\bb lines\b|cephali[sz]ation|vascular redistribution',
    ),
    'Enlarged Cardiomediastinum': (
        r'mediastin\w+ (?:\w+ ){0,2}(?:widen\w+|enlarge\w+|prominen\w+|fullness)',
        r'(?:widen\w+|enlarge\w+|prominen\w+|fullness) (?:\w+ ){0,3}mediastin\w+',
    ),
    'Fracture': (r'\bfractur\w+',),
    'Lung Lesion': (
        r'\bnodul(?:e|es|arity|ar)\b',
        r'\bmass(?:es)?\b|mass ?-?like',
        r'(?:lung|pulmonary|cystic|lobe) lesions?|\bcavit(?:y|ies|ary|ations?)\b',
        r'neoplas\w+|malignan\w+|carcinoma|cancer|metasta\w+|tumou?rs?\b',
    ),
    'Lung Opacity': (
        rf'{_OPACITY}',
        rf'{_SHADOW} (?:\w+ ){{0,2}}densit(?:y|ies)',
        r'infiltrat\w+',
        r'air ?-?space (?:disease|process|changes?)',
        r'interstitial (?:lung )?(?:disease|pattern)',
        r'reticul\w+|ground ?-?glass|haz(?:e|y|iness)\b',
    ),
    'Pleural Effusion': (
        r'(?<!joint )effusions?\b',
        r'pleural (?:fluid|collections?)|hydro(?:pneumo)?thorax|ha?emothorax|empyema',
    ),
    'Pleural Other': (
        r'pleural (?:\w+ ){0,2}(?:thickening|scarring|plaques?|calcification|scar|fibrosis)',
        r'pleur(?:al|o) ?-? ?(?:parenchymal|peripheral) (?:\w+ )?(?:scar\w*|thickening|fibrosis)',
        r'fibrothorax|pleural capping|apical cap(?:s|ping)?\b',
        r'thickening of the (?:\w+ )?pleura',
    ),
    'Pneumonia': (
        r'pneumonias?\b|pneumonitis|bronchopneumonia',
        r'infect\w+|tuberculosis\b|abscess',
    ),
    'Pneumothorax': (r'pneumothora\w+',),
    'Support Devices': (
        r'catheters?\b|\bpicc\b|mediport|port ?-?a ?-?cath|\bports?\b|chest tubes?|pigtail',
        r'(?:endotracheal|tracheostomy|enteric|feeding) (?:tube|tip)',
        r'(?:nasogastric|orogastric|\bng|\bet) (?:tube|tip)',
        r'(?:central|picc|venous|jugular|subclavian|dialysis|swan) lines?',
        r'\bpace ?-?maker|\bpacer\b|\bdefibrillator|\baicd\b|\bicd\b|\bleads?\b|generator',
        r'balloon pump|\bshunt\b|(?:neuro|nerve )?stimulator|(?:closure|assist|cardiac|support) devices?',
        r'(?:prosthetic|mechanical|artificial) (?:\w+ )?valves?|valve (?:replacement|prosthes[ie]s)|gastrostomy tube',
    ),
}

# What raises the possibility of an observation without naming it: uncertain unless negated.
HINTS = {
    'Atelectasis': (
        rf'{_STREAKY} (?:\w+ ){{0,2}}{_AT_BASE} (?:\w+ )?{_OPACITY}',
        rf'{_STREAKY} {_OPACITY} (?:\w+ ){{0,4}}{_AT_BASE}',
        rf'{_AT_BASE} (?:\w+ )?{_OPACITY}',
    ),
    'Cardiomegaly': (rf'borderline (?:\w+ ){{0,2}}{_HEART}', rf'{_HEART} {_GAP}borderline'),
}

# Disease of the chest outside the 14 observations; it denies No Finding and nothing else.
OTHER_FINDINGS = (
    r'emphysem\w+|\bcopd\b|chronic obstructive|\bbull(?:a|ae|ous)\b',
    r'hiatal hernia|fibrosis|bronchiectasis|sarcoid\w*',
)

# Not "cannot be excluded", which leaves a finding open.
_NOT = r'\bnot\b(?! (?:\w+ ){0,2}(?:exclude|rule))'
# Words that negate what follows them.
NEGATIONS = (
    r'\bno\b(?! (?:longer|interval change|significant change|change))',
    rf'{_NOT}|\bnor\b|\bneither\b|\bnever\b|\brather than\b',
    r'\bwithout\b(?! (?:\w+ ){0,2}change)|\bnegative for\b|\babsen(?:ce|t)\b|\black of\b',
    r'\b(?:free|clear|cleared) of\b|\bclear(?= air ?-?space)',
    r'\b(?:resolution|resolved|clearing|removal|removed)\b',
)
# Words that negate what stands before them.
NEGATIONS_BEHIND = (
    rf'(?:is|are|was|were) (?:no longer\b|{_NOT})',
    r'\bnot (?:\w+ )?(?:seen|identified|visuali[sz]ed|demonstrated|evident|present|appreciated)',
    r'(?:has|have|had) (?:\w+ )?(?:resolved|cleared|been removed|disappeared)',
    r'\b(?:is|are|was|were) (?:absent|unlikely|excluded|resolved|removed)',
)
# Words that make uncertain what follows them.
UNCERTAINTIES = (
    r'\bmay\b|\bmight\b|\bcould\b|\bpossib(?:le|ly|ility)\b|\bquestion\w*\b|\bequivocal\b',
    r'\bversus\b|\bvs\b|\band/or\b|\bconsider\b|\bborderline\b|\bindeterminate\b',
    r'\bscar(?:s|ring)? ?(?:/|or\b)',
    r'\b(?:cannot|not) (?:\w+ ){0,2}(?:exclude|rule out)|\brule out\b',
    r'\bsuspicious\b|\bsuspect\w*|\bconcern\w*|\bsuggest\w*|\bdifferential\b',
)
# Words that make uncertain what stands before them.
UNCERTAINTIES_BEHIND = (
    r'\b(?:cannot|not) (?:\w+ ){0,3}(?:excluded|ruled out)',
    r'\bversus\b|\bvs\b|\band/or\b|(?:/|\bor (?:\w+ ){0,2})scar(?:s|ring)?\b',
    r'\b(?:is|are) (?:possible|suspected|questioned|questionable)',
)
# Words that end the reach of any of these.
BREAKS = (
    r'\b(?:but|however|although|though|except|besides|otherwise|which|there (?:is|are|has|have))\b',
    r'\bother than\b|\bapart from\b|\baside from\b',
    r'\band (?:the|there|a|an|mild|stable|unchanged)\b',
    r'\bwith (?:a|an|the|mild|small|stable|unchanged|increased|new|persistent|residual)\b',
    r', (?:the|there|heart|stable|unchanged|persistent|chronic|healed|old)\b',
)
