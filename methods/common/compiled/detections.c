/* Reads records of a results file into columns. */

#include "json_text.h"

/* What the records of a part are read into; rows are records, in file order. */
typedef struct {
    int64_t room;       /* rows that there are */
    int64_t *image_id;
    int64_t *category_id;
    double *score;
    double *box;        /* [rows, 4], or NULL where masks are wanted */
    int64_t *size;      /* [rows, 2]: height, width */
    uint8_t *counts;    /* compressed masks end to end; as much room as the text has bytes */
    int64_t *offset;    /* where each mask begins, and the end */
} DetectionRows;

/* Copy a mask's text; the only escape that one can hold is that of the backslash. */
static int64_t copy_counts(const String *string, uint8_t *counts) {
    if (!string->escaped) {
        memcpy(counts, string->start, (size_t)string->length);
        return string->length;
    }
    int64_t length = 0;
    for (int64_t k = 0; k < string->length; k++) {
        uint8_t character = string->start[k];
        if (character == '\\' && string->start[++k] != '\\') return -1;
        counts[length++] = character;
    }
    return length;
}

static int read_mask(Text *text, int64_t *size, uint8_t *counts, int64_t *length) {
    int first = 1, has_size = 0, has_counts = 0, more;
    String key, string;
    if (!take(text, '{')) return 0;
    while ((more = next_field(text, &first, &key)) == 1) {
        if (is_named(&key, "size")) {
            if (has_size++ || !take(text, '[') || !read_whole(text, size) || !take(text, ',')) return 0;
            if (!read_whole(text, size + 1) || !take(text, ']')) return 0;
        } else if (is_named(&key, "counts")) {
            if (has_counts++ || !read_string(text, &string)) return 0;
            *length = copy_counts(&string, counts);
            if (*length < 0) return 0;
        } else if (!skip_value(text, 0)) {
            return 0;
        }
    }
    return more == 0 && has_size && has_counts;
}

static int read_record(Text *text, const DetectionRows *rows, int64_t row) {
    int first = 1, more;
    unsigned seen = 0, field;
    String key;
    int64_t length = 0;
    if (!take(text, '{')) return 0;
    while ((more = next_field(text, &first, &key)) == 1) {
        int sound;
        field = 0;
        if (is_named(&key, "image_id")) {
            field = 1, sound = read_whole(text, rows->image_id + row);
        } else if (is_named(&key, "category_id")) {
            field = 2, sound = read_whole(text, rows->category_id + row);
        } else if (is_named(&key, "score")) {
            field = 4, sound = read_number(text, rows->score + row);
        } else if (rows->box && is_named(&key, "bbox")) {
            field = 8, sound = read_box(text, rows->box + 4 * row);
        } else if (!rows->box && is_named(&key, "segmentation")) {
            field = 8, sound = read_mask(text, rows->size + 2 * row, rows->counts + rows->offset[row], &length);
        } else {
            sound = skip_value(text, 0);
        }
        if (!sound || (seen & field)) return 0; /* a field that is there twice is for `json` */
        seen |= field;
    }
    if (!rows->box) rows->offset[row + 1] = rows->offset[row] + length;
    return more == 0 && seen == 15;
}

/* Read records separated by commas; return their number, or -1 where one is not as the official format has it. */
int64_t read_detections(const uint8_t *characters, int64_t length, const DetectionRows *rows) {
    Text text = {characters, characters + length};
    int64_t row = 0;
    if (!rows->box) rows->offset[0] = 0;
    do {
        if (row == rows->room || !read_record(&text, rows, row)) return -1;
        row++;
    } while (take(&text, ','));
    skip_space(&text);
    return text.at == text.end ? row : -1;
}
