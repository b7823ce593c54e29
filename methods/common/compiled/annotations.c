/* Reads records of an annotation file into columns. */

#include "json_text.h"

/* What the records of a part are read into. Those with an encoded mask in place of outlines are left out and listed apart. */
typedef struct {
    int64_t room;                     /* rows that there are */
    int64_t *id, *image_id, *category_id;
    double *area, *box;               /* (rows,) and [rows, 4] */
    uint8_t *ignore, *crowd;
    int64_t *num_outlines;            /* of each row; NULL where outlines are not wanted */
    double *number;                   /* x, y, x, y, ... of all outlines end to end */
    int64_t *end;                     /* where each outline begins, and the end of the last */
    int64_t number_room, outline_room;
    int64_t num_outlines_in_all;
    int64_t *encoded;                 /* [rows, 3]: place among all records, first character, the one behind the last */
    int64_t num_encoded;
    int64_t *other;                   /* [MOST_OTHER, 2]: a place of each name that is no field's, first character and the one behind the last */
    int64_t num_other;
} AnnotationRows;

enum { MOST_OTHER = 64 };

/* Keep the name of a field that is not read, once; 0 where there are too many. */
static int keep_name(const uint8_t *characters, const String *key, AnnotationRows *rows) {
    for (int64_t k = 0; k < rows->num_other; k++) {
        const int64_t *span = rows->other + 2 * k;
        if (span[1] - span[0] == key->length && !memcmp(characters + span[0], key->start, (size_t)key->length)) return 1;
    }
    if (rows->num_other == MOST_OTHER) return 0;
    int64_t *span = rows->other + 2 * rows->num_other++;
    span[0] = key->start - characters;
    span[1] = span[0] + key->length;
    return 1;
}

static int read_flag(Text *text, uint8_t *flag) {
    int64_t number;
    skip_space(text);
    if (text->at < text->end && *text->at == 'n') return take_word(text, "null", 4);
    if (!read_whole(text, &number) || number > 1) return 0;
    *flag = (uint8_t)number;
    return 1;
}

static int read_outline(Text *text, AnnotationRows *rows) {
    int64_t used = rows->end[rows->num_outlines_in_all];
    if (rows->num_outlines_in_all == rows->outline_room || !take(text, '[')) return 0;
    do {
        if (used == rows->number_room || !read_number(text, rows->number + used)) return 0;
        used++;
    } while (take(text, ','));
    rows->end[++rows->num_outlines_in_all] = used;
    return take(text, ']');
}

static int read_shape(Text *text, AnnotationRows *rows, int64_t row, int *encoded) {
    skip_space(text);
    if (text->at < text->end && *text->at == '{') {
        *encoded = 1;
        return skip_value(text, 0);
    }
    rows->num_outlines[row] = 0;
    if (!take(text, '[')) return 0;
    do {
        if (!read_outline(text, rows)) return 0;
        rows->num_outlines[row]++;
    } while (take(text, ','));
    return take(text, ']');
}

enum { ID = 1, IMAGE = 2, CATEGORY = 4, AREA = 8, BOX = 16, SHAPE = 32, IGNORE = 64, CROWD = 128 };

static int read_field(const uint8_t *characters, Text *text, const String *key, AnnotationRows *rows, int64_t row, unsigned *field,
                      int *encoded) {
    if (is_named(key, "id")) return *field = ID, read_whole(text, rows->id + row);
    if (is_named(key, "image_id")) return *field = IMAGE, read_whole(text, rows->image_id + row);
    if (is_named(key, "category_id")) return *field = CATEGORY, read_whole(text, rows->category_id + row);
    if (is_named(key, "area")) return *field = AREA, read_number(text, rows->area + row);
    if (is_named(key, "bbox")) return *field = BOX, read_box(text, rows->box + 4 * row);
    if (is_named(key, "ignore")) return *field = IGNORE, read_flag(text, rows->ignore + row);
    if (is_named(key, "iscrowd")) return *field = CROWD, read_flag(text, rows->crowd + row);
    if (rows->num_outlines && is_named(key, "segmentation")) return *field = SHAPE, read_shape(text, rows, row, encoded);
    return keep_name(characters, key, rows) && skip_value(text, 0);
}

static int read_record(const uint8_t *characters, Text *text, AnnotationRows *rows, int64_t row, int *encoded) {
    int first = 1, more;
    unsigned seen = 0, wanted = ID | IMAGE | CATEGORY | AREA | BOX | (rows->num_outlines ? SHAPE : 0);
    String key;
    rows->ignore[row] = rows->crowd[row] = 0;
    if (!take(text, '{')) return 0;
    while ((more = next_field(text, &first, &key)) == 1) {
        unsigned field = 0;
        if (!read_field(characters, text, &key, rows, row, &field, encoded) || (seen & field)) return 0;
        seen |= field;
    }
    return more == 0 && (*encoded || (seen & wanted) == wanted);
}

/* Read records separated by commas; return the number of rows, or -1 where a record is not as the official format has it. */
int64_t read_annotations(const uint8_t *characters, int64_t length, AnnotationRows *rows) {
    Text text = {characters, characters + length};
    int64_t row = 0;
    rows->num_encoded = rows->num_outlines_in_all = rows->num_other = 0;
    rows->end[0] = 0;
    do {
        int encoded = 0;
        skip_space(&text);
        const uint8_t *start = text.at;
        if (row == rows->room || !read_record(characters, &text, rows, row, &encoded)) return -1;
        if (encoded) {
            int64_t *span = rows->encoded + 3 * rows->num_encoded;
            span[0] = row + rows->num_encoded++;
            span[1] = start - characters;
            span[2] = text.at - characters;
        } else {
            row++;
        }
    } while (take(&text, ','));
    skip_space(&text);
    return text.at == text.end ? row : -1;
}
