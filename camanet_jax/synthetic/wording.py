"""The sentences of synthetic reports and the order of a report's sections.

A sentence's weight is its probability among those that say the same. The wording is that of ordinary
reports, so that a labeler written for those can read these: what is absent is denied, and doubt is
only about causes, never about a finding.
"""

# Sentences where nothing is abnormal.
NORMAL = {
    'heart and mediastinum': [
        (0.6, 'The cardiomediastinal silhouette is within normal limits for size and contour.'),
        (0.4, 'The heart and mediastinum are unremarkable.'),
    ],
    'heart': [
        (0.6, 'The heart is normal in size.'),
        (0.25, 'Heart size is within normal limits.'),
        (0.15, 'The cardiac silhouette is not enlarged.'),
    ],
    'mediastinum': [
        (0.6, 'The mediastinal contours are within normal limits.'),
        (0.25, 'The mediastinum is unremarkable.'),
        (0.15, 'The mediastinal and hilar contours are normal.'),
    ],
    'lungs': [
        (0.5, 'The lungs are clear without focal airspace disease.'),
        (0.3, 'The lungs are clear bilaterally with no focal consolidation.'),
        (0.2, 'Both lungs are well expanded and clear.'),
    ],
    'rest of lungs': [(0.6, 'The lungs are otherwise clear.'), (0.4, 'The remainder of the lungs is clear.')],
    'vessels': [
        (0.7, 'The pulmonary vascularity is normal.'),
        (0.3, 'Pulmonary vasculature appears unremarkable.'),
    ],
    'pleura': [
        (0.55, 'There is no pleural effusion or pneumothorax.'),
        (0.25, 'No pneumothorax or pleural effusion is seen.'),
        (0.2, 'No evidence of pleural effusion or pneumothorax.'),
    ],
    'no pneumothorax': [(0.6, 'There is no pneumothorax.'), (0.4, 'No pneumothorax is identified.')],
    'no effusion': [(0.6, 'There is no pleural effusion.'), (0.4, 'No pleural effusion is identified.')],
    'bones': [
        (0.5, 'The osseous structures of the thorax are intact.'),
        (0.3, 'The visualized bony structures are unremarkable.'),
        (0.2, 'No acute bony abnormality is seen.'),
    ],
}

# Sentences on each kind of finding; reports.py fills the names in braces.
ABNORMAL = {
    'cardiomegaly': [
        (0.5, 'The heart is {degree} enlarged.'),
        (0.3, 'There is {extent} cardiomegaly.'),
        (0.2, 'The cardiac silhouette is {degree} enlarged.'),
    ],
    'wide_mediastinum': [
        (0.6, 'The superior mediastinum is widened.'),
        (0.4, 'There is widening of the mediastinum. This may reflect a tortuous aorta.'),
    ],
    'opacity': [
        (0.45, 'There {be} {article}{size} hazy opacit{y} in the {area}.'),
        (0.3, '{article}{size} opacit{y} {be} seen in the {area}. This may represent infection.'),
        (0.25, 'There {be} {article}{size} ill defined opacit{y} in the {area}.'),
    ],
    'consolidation': [
        (0.6, 'There is a dense consolidation in the {area}.'),
        (0.4, 'A dense {area} consolidation is present with air bronchograms.'),
    ],
    'pneumonia': [
        (0.6, 'There are patchy opacities in the {area} consistent with pneumonia.'),
        (0.4, 'Multifocal patchy opacities in the {area} are compatible with pneumonia.'),
    ],
    'edema': [
        (0.6, 'There is {extent} pulmonary edema with prominent perihilar vessels.'),
        (0.4, 'Perihilar vascular congestion is present with {extent} interstitial edema.'),
    ],
    'atelectasis': [
        (0.6, 'There are bands of subsegmental atelectasis in the {area}.'),
        (0.4, 'Linear atelectasis is noted in the {area}.'),
    ],
    'nodule': [
        (0.6, 'There is a round nodule in the {area}, further evaluation with CT is recommended.'),
        (0.4, 'A well circumscribed pulmonary nodule projects over the {area}.'),
    ],
    'effusion': [
        (0.55, 'There {be} {article}{size} {side} pleural effusion{plural}.'),
        (0.25, '{article}{size} {side} pleural effusion{plural} {be} present.'),
        (0.2, '{article}{size} {side} pleural effusion{plural} blunt{verb} the costophrenic {angle}.'),
    ],
    'pneumothorax': [
        (0.6, 'There is a {size} {side} pneumothorax.'),
        (0.4, 'A {size} {side} pneumothorax is present with a visible pleural edge.'),
    ],
    'thickening': [
        (0.6, 'There is {side} pleural thickening laterally.'),
        (0.4, '{side} lateral pleural thickening is noted, likely chronic.'),
    ],
    'fracture': [
        (0.6, 'There is a displaced fracture of a {side} {rib} rib.'),
        (0.4, 'A {side} {rib} rib fracture is noted.'),
    ],
    'pacemaker': [
        (0.6, 'A {side} chest wall pacemaker is in place with leads projecting over the heart.'),
        (0.4, 'There is a {side} sided pacemaker with intact leads.'),
    ],
    'port': [
        (0.6, 'A {side} chest port catheter terminates in the superior vena cava.'),
        (0.4, 'There is a {side} sided port with the catheter tip over the right atrium.'),
    ],
    'central_line': [
        (0.6, 'A {side} internal jugular venous catheter terminates in the superior vena cava.'),
        (0.4, 'There is a {side} jugular central line in place.'),
    ],
    'endotracheal_tube': [
        (0.6, 'An endotracheal tube terminates above the carina.'),
        (0.4, 'The endotracheal tube is in satisfactory position.'),
    ],
    'chest_tube': [
        (0.6, 'A {side} chest tube is in place.'),
        (0.4, 'There is a {side} sided chest tube directed towards the apex.'),
    ],
    'low_volumes': [
        (0.6, 'Lung volumes are low with crowding of the bronchovascular markings.'),
        (0.4, 'There are low lung volumes.'),
    ],
    'hyperexpanded': [
        (0.6, 'The lungs are hyperexpanded with flattened diaphragms.'),
        (0.4, 'There is flattening of the diaphragms suggesting hyperinflation.'),
    ],
    'scoliosis': [
        (0.6, 'There is scoliosis of the thoracic spine.'),
        (0.4, 'Curvature of the thoracic spine is noted.'),
    ],
    'degenerative': [
        (0.6, 'Degenerative changes are present in the thoracic spine.'),
        (0.4, 'There are mild degenerative changes of the spine with osteophytes.'),
    ],
}

# Sentences that occur whatever the study shows: (probability, section, sentence).
ASIDES = (
    (0.12, 'mediastinum', 'The trachea is midline.'),
    (0.08, 'mediastinum', 'The hila are symmetric.'),
    (0.06, 'bones', 'The soft tissues show nothing unusual.'),
    (0.1, 'bones', 'The visualized upper abdomen is unremarkable.'),
)

# The sections of a report and the kinds of findings stated in each.
SECTIONS = {
    'devices': ('pacemaker', 'port', 'central_line', 'endotracheal_tube', 'chest_tube'),
    'heart': ('cardiomegaly',),
    'mediastinum': ('wide_mediastinum',),
    'lungs': (
        'low_volumes',
        'hyperexpanded',
        'edema',
        'consolidation',
        'pneumonia',
        'opacity',
        'atelectasis',
        'nodule',
    ),
    'pleura': ('effusion', 'pneumothorax', 'thickening'),
    'bones': ('fracture', 'scoliosis', 'degenerative'),
}

ORDERS = (
    (0.55, ('devices', 'heart', 'mediastinum', 'lungs', 'pleura', 'bones')),
    (0.25, ('heart', 'mediastinum', 'lungs', 'pleura', 'bones', 'devices')),
    (0.2, ('devices', 'lungs', 'pleura', 'heart', 'mediastinum', 'bones')),
)
