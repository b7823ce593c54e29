"""The instances of an image, in the plain way that resizes every mask: what faster ways must equal."""

from torch import Tensor

from methods.common.segmenters.mask_queries.postprocess import Instances


def best_instances(class_logit_QK: Tensor, mask_logit_QHW: Tensor, num_kept: int = 100) -> Instances:
    """Return the best pairs of query and class; a query may come with several classes.

    A pair's score is its class probability times the mean mask probability of the pixels inside its mask. Source: [M2F].
    """
    probability_QK = class_logit_QK.float().softmax(dim=-1)[:, :-1]
    num_classes = probability_QK.shape[1]
    score_R, pair_R = probability_QK.flatten().topk(min(num_kept, probability_QK.numel()))
    inside_QHW = mask_logit_QHW > 0
    chance_Q = (mask_logit_QHW.sigmoid() * inside_QHW).sum(dim=(1, 2))
    quality_Q = chance_Q / (inside_QHW.sum(dim=(1, 2)) + 1e-6)
    query_R, class_R = pair_R // num_classes, pair_R % num_classes
    score_R, order_R = (score_R * quality_Q[query_R]).sort(descending=True, stable=True)
    return Instances(score_R, class_R[order_R], inside_QHW[query_R[order_R]])
