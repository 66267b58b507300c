#include "worker/template/value.h"

#include "worker/template/number.h"

struct value value_from_number(const char *bytes, size_t length)
{
	int64_t integer;

	for (size_t i = 0; i < length; i++)
		if (bytes[i] == '.' || bytes[i] == 'e' || bytes[i] == 'E')
			return value_float(number_read_float(bytes, length));
	if (number_read_integer(bytes, length, &integer))
		return value_integer(integer);
	return (struct value){.kind = VALUE_BIG, .length = (uint32_t)length, .bytes = bytes};
}

static bool decode(const struct piece *piece, struct arena *arena, struct value *value)
{
	char *bytes = arena_take(arena, piece->length);

	if (bytes == NULL)
		return false;
	*value = value_string(bytes, piece_unescape(piece, bytes));
	return true;
}

bool value_from_piece(const struct piece *piece, struct arena *arena, struct value *value)
{
	switch (piece->kind) {
	case PIECE_MISSING:
	case PIECE_NULL:
		*value = value_nil();
		break;
	case PIECE_TRUE:
	case PIECE_FALSE:
		*value = value_boolean(piece->kind == PIECE_TRUE);
		break;
	case PIECE_NUMBER:
		*value = value_from_number(piece->bytes, piece->length);
		break;
	case PIECE_STRING:
		*value = value_string(piece->bytes, piece->length);
		break;
	case PIECE_ESCAPED:
		return decode(piece, arena, value);
	case PIECE_ARRAY:
	case PIECE_OBJECT:
		*value = (struct value){.kind = piece->kind == PIECE_ARRAY ? VALUE_JSON_ARRAY : VALUE_JSON_OBJECT,
					.length = (uint32_t)piece->length,
					.bytes = piece->bytes};
		break;
	}
	return true;
}
