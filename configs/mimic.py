"""CAMANet on MIMIC-CXR: the paper's complete recipe (J-BHI 2024, section IV-C).

    python -m camanet_jax.main --config=configs/mimic.py --config.data_dir=/data/mimic_cxr

`data_dir` holds annotation.json (R2Gen's), labels.json and images/. Paper, test split: BLEU-1 0.374, BLEU-4 0.112,
METEOR 0.145, ROUGE-L 0.279, CIDEr 0.161; one epoch took 60 minutes on an RTX6000. Other configurations change a few
fields of this one. None means: as `variant` says (camanet_jax/configuration.py).
"""

from ml_collections import ConfigDict, config_dict

from camanet_jax.configuration import Config


def by_variant(kind: type):
    """An empty field of this type."""
    return config_dict.placeholder(kind)


def get_config() -> ConfigDict:
    """The configuration; every field can be overridden on the command line, e.g. --config.epochs=2."""
    config = Config()
    config.variant = 'paper'  # or 'official'
    config.seed = 456789
    config.epochs = 30
    config.selection = 'bleu'  # of the epoch that is scored: BLEU-4 + 0.5 BLEU-1 on val; or 'bleu_4' alone, or 'last'
    config.early_stop = by_variant(int)  # epochs without a better validation score
    config.batch_size = 64
    config.accumulate = 1  # parts that a batch is cut into to save memory
    config.dtype = 'float32'  # or 'bfloat16': of the computation; parameters, losses and statistics stay float32
    # Of float32 products: 'default' (TF32 on GPU, bfloat16 on TPU), 'high' or 'highest' (float32). CPUs have one.
    config.matmul_precision = 'default'
    config.deterministic = False  # True: bit-identical runs on GPU too, slower
    config.checkpoint_every_minutes = 10.0  # in addition to every epoch's end
    config.backbone_weights = ''  # a file to start from: torchvision's ImageNet weights, or CheXNet-style ones
    config.init_from = ''  # a trained or converted workdir to start from; words are matched
    config.compile_cache = 'auto'  # a folder; 'auto' is beside the workdir, 'off' is none

    config.data_dir = 'data/mimic_cxr'
    config.cache_dir = ''  # where prepared data go; '' is `data_dir`/tfds
    config.data = data = Config()
    data.name = 'study_folder'
    # For the builder: leave out studies whose films are missing; require labels.json (base.py does without).
    data.options = ConfigDict(dict(only_existing_images=False, labels_required=True))
    # The target: 'findings', 'impression' or 'both' of an archive's report; '' is the report of annotation.json.
    data.section = ''
    data.views = 1
    data.extra_views = 'error'  # or 'first': keep the first `views` images of a study with more
    data.fewer_views = 'error'  # or 'mask': studies may have fewer; tokens of missing films are masked
    data.tokenizer = 'camanet_jax.data.tokenizer:Tokenizer'  # word by word, or yours
    data.cleaner = 'mimic_cxr'
    data.threshold = 10  # occurrences in train that make a word
    data.max_seq_length = 100  # ids, BOS counted
    data.extras = ()  # functions of yours, 'file.py:name', that make network inputs from other fields of a record
    data.image_size = 224
    data.resize_size = 256
    data.train_augment = by_variant(str)
    data.official_augment = 'mimic'  # what 'official' augmentation is for this data set
    data.eval_transform = by_variant(str)
    data.on_damaged_image = 'raise'  # or 'skip'
    data.num_workers = 8
    data.prefetch = 4

    config.model = model = Config()
    model.network = 'camanet_jax.models:Camanet'  # or another: docs/extend.md
    model.network_options = ConfigDict()  # attributes that only another network has
    model.width = 512
    model.feed_forward = 512
    model.heads = 8
    model.encoder_layers = 3
    model.decoder_layers = 3
    model.memory_slots = 3  # 0: a plain Transformer decoder
    model.dropout = 0.1
    model.projection_dropout = 0.5
    model.visual_extractor = 'camanet_jax.models.densenet:DenseNet'  # or another: docs/extend.md
    # remat=True keeps every feature map once, to save memory on GPU and TPU, and normalises maps twice.
    model.backbone_options = ConfigDict(dict(blocks=(6, 12, 24, 16), growth=32, stem=64, remat=False))
    model.image_mean = (0.485, 0.456, 0.406)  # of the images that the extractor was trained on, in [0, 1]
    model.image_std = (0.229, 0.224, 0.225)
    model.view_embeddings = 0  # `data.views` gives every view a learned one
    model.vdmae = True  # False is the Base system
    model.vtac = True
    model.contrastive = False  # the CLIP ablation
    model.cam_classes = config_dict.placeholder(tuple)  # names of the observations that may enter the VDM; None: all
    model.class_maps = 'camanet_jax.models.vdm:class_activation_maps'  # or .vdm:layercam, or yours
    model.vdm_classes = 'predicted'
    model.vdm_norm = by_variant(str)
    model.tdm_query = by_variant(str)
    model.tdm_word_vectors = by_variant(str)
    model.tdm_candidates = by_variant(str)
    model.tdm_row = by_variant(str)
    model.tdm_norm = by_variant(str)
    model.tdm_weight = by_variant(str)
    model.tdm_selection = 'rank'  # or 'straight_through', 'soft': docs/method.md
    model.tdm_temperature = 0.1  # of the last two, in standard deviations of a study's similarities
    model.vdm_bias = False  # True: beyond the paper, docs/extend.md

    config.loss = loss = Config()
    loss.pseudo_label_weight = 1.0  # lambda
    loss.vtac_weight = 0.5  # delta
    loss.contrastive_weight = 0.0
    loss.extra = ()  # your own losses, 'file.py:name', and their weights
    loss.extra_weights = ()
    loss.report_weight = 1.0
    loss.batch_maker = ''  # a class of yours that may change each training batch, using the current weights
    loss.topk = 0.3  # k
    loss.tdm_count = by_variant(str)
    loss.report_mean = by_variant(str)

    config.optimiser = optimiser = Config()
    optimiser.schedule = 'camanet_jax.optim:warmup_and_steps'  # of the fields to schedule_lag, or yours
    optimiser.lr_backbone = 5e-5
    optimiser.lr_decoder = 1e-4
    optimiser.warmup_epochs = 3
    optimiser.warmup_from = 5e-6
    optimiser.decay_epochs = 50
    optimiser.decay_rate = 0.8
    optimiser.schedule_lag = by_variant(int)
    optimiser.clip_value = 0.1  # None, in a configuration file: no clipping
    optimiser.weight_decay = 5e-5
    optimiser.update(b1=0.9, b2=0.999, eps=1e-8)
    optimiser.frozen = ()  # patterns of the paths of parameters that stay as they are, e.g. '^backbone/block1/'

    # Or, in a configuration file, name='sample' with temperature, top_k and top_p: the report is the likeliest of
    # beam_size draws, so that beam_size=1 is a plain one.
    # int8=True: its linear layers in 8-bit integers, faster on CPUs that have such products (docs/scaling.md).
    config.search = Config(dict(name='beam', beam_size=3, int8=False))
    config.evaluation = evaluation = Config()
    evaluation.batch_size = 64
    evaluation.constant_baseline = True
    evaluation.shuffled_control = False  # compares with the same reports shuffled among studies
    evaluation.metrics = ()  # your own metrics, 'file.py:name'
    evaluation.figures = 8  # studies drawn
    return config.lock()
