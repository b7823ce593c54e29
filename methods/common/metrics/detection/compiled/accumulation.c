/* Precision and recall from matches; the rule stands in `precision_recall.py`. */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

/* Matches, by class, then falling score. */
typedef struct {
    const int64_t *right, *wrong; /* cases in which a detection is right, and wrong */
    const int32_t *image;
    const double *weight;         /* how often each image counts, or NULL for once */
    const int64_t *first;         /* detection of each class, and the end */
} Matches;

typedef struct {
    int64_t num_thresholds, num_ranges, num_recalls, num_classes;
    const double *recalls;
    const int64_t *class;         /* those to be filled in */
    const double *num_instances;  /* [ranges, classes]: how many count */
    double *precision;            /* [ranges, thresholds, recalls, classes] */
    double *recall;               /* [ranges, thresholds, classes] */
} Table;

/* Return the least whole number of hits, at least 1, whose share of the instances reaches a recall. */
static double needed_hits(double recall, double num_instances) {
    double needed = floor(recall * num_instances) - 1;
    if (needed < 0) needed = 0;
    for (int k = 0; k < 3; k++) /* division rounds, so the share itself is compared, as the official tools do */
        needed += needed / num_instances < recall;
    return needed < 1 ? 1 : needed;
}

/* Go through the detections of a class in one case; keep hits and precision at each hit; return how many hits there are. */
static int64_t count(const Matches *found, int64_t start, int64_t stop, int bit, double *hits, double *precision) {
    int64_t num = 0;
    double right = 0, wrong = 0;
    for (int64_t k = start; k < stop; k++) {
        double times = found->weight ? found->weight[found->image[k]] : 1;
        if ((found->right[k] >> bit) & 1) {
            if (times == 0) continue;
            right += times;
            hits[num] = right;
            precision[num++] = right / (wrong + right + 0x1p-52);
        } else if ((found->wrong[k] >> bit) & 1) {
            wrong += times;
        }
    }
    return num;
}

static void fill_case(const Matches *found, const Table *table, int64_t place, int64_t range, int64_t threshold, double *hits,
                      double *precision, const double *needed) {
    int64_t class = table->class[place], which = range * table->num_thresholds + threshold;
    double *at = table->precision + which * table->num_recalls * table->num_classes + place;
    int64_t num = count(found, found->first[class], found->first[class + 1], (int)which, hits, precision), hit = 0;
    for (int64_t k = num - 2; k >= 0; k--)
        if (precision[k] < precision[k + 1]) precision[k] = precision[k + 1];
    for (int64_t k = 0; k < table->num_recalls; k++) {
        while (hit < num && hits[hit] < needed[k]) hit++;
        at[k * table->num_classes] = hit < num ? precision[hit] : 0;
    }
    double total = num ? hits[num - 1] : 0;
    table->recall[which * table->num_classes + place] = total / table->num_instances[range * table->num_classes + place];
}

/* Fill in the columns from `begin` to before `end` where instances count; return 0 where memory is lacking. */
int64_t accumulate(const Matches *found, const Table *table, int64_t begin, int64_t end) {
    int64_t most = 0;
    for (int64_t place = begin; place < end; place++) {
        int64_t num = found->first[table->class[place] + 1] - found->first[table->class[place]];
        if (num > most) most = num;
    }
    double *hits = malloc((size_t)(most + 1) * 8), *precision = malloc((size_t)(most + 1) * 8);
    double *needed = malloc((size_t)table->num_recalls * 8);
    int64_t done = hits && precision && needed;
    for (int64_t place = begin; done && place < end; place++)
        for (int64_t range = 0; range < table->num_ranges; range++) {
            double num = table->num_instances[range * table->num_classes + place];
            if (!(num > 0)) continue;
            for (int64_t k = 0; k < table->num_recalls; k++) needed[k] = needed_hits(table->recalls[k], num);
            for (int64_t threshold = 0; threshold < table->num_thresholds; threshold++)
                fill_case(found, table, place, range, threshold, hits, precision, needed);
        }
    free(hits);
    free(precision);
    free(needed);
    return done;
}

/* Count the hits of the best detections of each image and class over all areas, [thresholds, classes]; starts from zeros. */
void count_best(const Matches *found, const int32_t *class, const int32_t *rank, int64_t num, int64_t limit, int64_t num_thresholds,
                int64_t num_classes, double *hits) {
    for (int64_t k = 0; k < num; k++) {
        if (rank[k] >= limit) continue;
        double times = found->weight ? found->weight[found->image[k]] : 1;
        for (int64_t threshold = 0; threshold < num_thresholds; threshold++)
            hits[threshold * num_classes + class[k]] += (double)((found->right[k] >> threshold) & 1) * times;
    }
}
