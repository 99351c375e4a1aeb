"""The whole C source of a training: the model's step, and the loop over steps and replicas around it."""

from lossgauge.frameworks.torch.stacking.layout import Layout
from lossgauge.frameworks.torch.stacking.native.prelude import prelude
from lossgauge.frameworks.torch.stacking.native.translation import Translation

LOOP = """
typedef void (*update_function)(long, real *, long, const double *, long, long);
struct job {
    real *weights, *slots;
    long replicas, width, slot_count, steps, batches;
    const real *alpha;
    const char *inputs, *targets;
    long input_bytes, target_bytes;
    const int64_t *programs;
    const double *const *scalars;
    update_function update;
    double *losses;
    int64_t *diverged;
    char *scratch;
};
static int all_finite(const real *w) {
    int bad = 0;
    FINITE
    return !bad;
}
void train(const struct job *job, long replica, long from, long to) {
    real *w = job->slots, *g = job->slots + job->width;
    real *row = job->weights + replica * job->width;
    if (!from) {
        memset(job->slots, 0, sizeof(real) * job->width * job->slot_count);
        memcpy(w, row, sizeof(real) * job->width);
    }
    for (long s = from; s < to; s++) {
        const long b = s % job->batches;
        const real loss = evaluate(w, g, job->alpha[replica], job->inputs + b * job->input_bytes,
                                   job->targets + b * job->target_bytes, job->scratch);
        job->losses[replica * job->steps + s] = loss;
        job->update(job->programs[s], job->slots, job->width, job->scalars[s], job->replicas, replica);
        if (loss - loss != 0 || !all_finite(w)) {
            job->diverged[replica] = s + 1;
            break;
        }
    }
    memcpy(row, w, sizeof(real) * job->width);
}
"""


def model_source(
    translation: Translation, layout: Layout, processor: str, precision: str, input_kind: str, target_kind: str
) -> str:
    """The source of a model's step and of the loop.

    Args:
        translation: Of the traced graph.
        layout: Where the weights lie.
        processor: A kind of processor, as `prelude` knows it.
        precision: `float32` or `float64`.
        input_kind: The C type of the inputs.
        target_kind: The C type of the targets.

    Returns:
        C text with a function `train`.
    """
    finite = "\n".join(
        f"for (long i = {p.start}; i < {p.start + p.size}; i++) bad |= w[i] - w[i] != 0;" for p in layout.places
    )
    return f"""{prelude(processor, precision)}
real evaluate(const real *w, real *g, const real alpha_value, const void *input, const void *target,
              char *scratch) {{
const {input_kind} *x = input;
const {target_kind} *y = target;
const real *alpha = &alpha_value;
real loss[LANES];
{translation.text}
return loss[0];
}}
{LOOP.replace("FINITE", finite)}"""
