"""CAMANet on IU X-Ray with ResNet-101 in DenseNet-121's place: 2048 channels, torchvision's weights.

    python -m camanet_jax.main --config=configs/resnet101.py --config.data_dir=/data/iu_xray \
        --config.backbone_weights=resnet101-63fe2227.pth

R2Gen's visual extractor, and a choice of the authors' program. The paper reports no scores with it.
"""

from ml_collections import ConfigDict

from camanet_jax.configuration import recipe


def get_config():
    """IU X-Ray's recipe with another visual extractor."""
    config = recipe('iu_xray')
    config.model.visual_extractor = 'camanet_jax.models.resnet:ResNet'
    config.model.backbone_options = ConfigDict(dict(blocks=(3, 4, 23, 3), stem=64))
    return config
