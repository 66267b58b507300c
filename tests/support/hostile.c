#include "hostile.h"

#include <string.h>

const struct hostile hostiles[] = {
	{"a range of a thousand million", HOSTILE_LIMITED, "{% for i in (1..1000000000) %}{% endfor %}", "", 0, ""},
	{"a range of all integers", HOSTILE_LIMITED,
	 "{% for i in (-9223372036854775808..9223372036854775807) %}x{% endfor %}", "", 0, ""},
	{"a range that ends at the last integer", HOSTILE_RENDERS,
	 "{% for i in (9223372036854775806..9223372036854775807) %}{{ i }}{% endfor %}", "", 0, ""},
	{"a range that is spread out", HOSTILE_LIMITED, "{{ (1..1000000000) | join }}", "", 0, ""},
	{"a range that is sorted", HOSTILE_LIMITED, "{{ (1..1000000000) | reverse | sort | first }}", "", 0, ""},
	{"a range that is only measured", HOSTILE_RENDERS, "{{ (1..1000000000) | size }}", "", 0, ""},
	{"loops within loops", HOSTILE_LIMITED, "", "{% for i in (1..1000) %}", 9,
	 "x{% endfor %}{% endfor %}{% endfor %}"
	 "{% endfor %}{% endfor %}{% endfor %}{% endfor %}{% endfor %}{% endfor %}"},
	{"a tablerow without end", HOSTILE_LIMITED, "{% tablerow i in (1..1000000000) %}{% endtablerow %}", "", 0, ""},
	{"doubling by append", HOSTILE_LIMITED, "{% assign a = 'abcdefgh' %}", "{% assign a = a | append: a %}", 40,
	 ""},
	{"doubling by replace", HOSTILE_LIMITED, "{% assign a = 'aa' %}", "{% assign a = a | replace: 'a', 'aa' %}", 40,
	 ""},
	{"squaring by replace", HOSTILE_LIMITED, "{% assign a = 'aaaaaaaaaaaaaaaa' %}",
	 "{% assign a = a | replace: 'a', a %}", 10, ""},
	{"doubling by replacing nothing", HOSTILE_LIMITED, "{% assign a = 'aaaaaaaa' %}",
	 "{% assign a = a | replace: '', a %}", 10, ""},
	{"doubling by concat", HOSTILE_LIMITED, "{% assign a = 'a,b' | split: ',' %}", "{% assign a = a | concat: a %}",
	 40, ""},
	{"doubling by capture", HOSTILE_LIMITED, "{% assign a = 'abcdefgh' %}",
	 "{% capture a %}{{ a }}{{ a }}{% endcapture %}", 40, ""},
	{"doubling by join", HOSTILE_LIMITED, "{% assign a = 'abcdefgh' %}", "{% assign a = a | split: '' | join: a %}",
	 40, ""},
	{"growing by url_encode", HOSTILE_RENDERS, "{% assign a = '%%%%' %}", "{% assign a = a | url_encode %}", 40,
	 ""},
	{"doubling by escape", HOSTILE_LIMITED,
	 "{% assign a = '&&&&&&&&&&' %}{% for i in (1..1000000) %}"
	 "{% assign a = a | escape | newline_to_br %}{% endfor %}",
	 "", 0, ""},
	{"partials that fan out", HOSTILE_LIMITED, "{% include 'fan' %}", "", 0, ""},
	{"partials without end", HOSTILE_LIMITED, "{% render 'deep' %}", "", 0, ""},
	{"a partial over a list, within itself", HOSTILE_LIMITED, "{% include 'list' %}", "", 0, ""},
	{"100000 filters", HOSTILE_LIMITED, "{{ 'a'", "|upcase", 100000, "}}"},
	{"a chain of filters that is just allowed", HOSTILE_RENDERS, "{{ 'a'", "|upcase", 20000, "}}"},
	{"100000 opening braces", HOSTILE_REFUSED, "", "{{", 100000, ""},
	{"100000 opening tags", HOSTILE_REFUSED, "", "{%", 100000, ""},
	{"100000 opening tags in raw", HOSTILE_RENDERS, "{% raw %}", "{%", 100000, " %}{% endraw %}"},
	{"100000 opening tags in a comment", HOSTILE_REFUSED, "{% comment %}", "{% ", 100000, ""},
	{"100000 unclosed raws in a comment", HOSTILE_REFUSED, "{% comment %}", "{% raw %}", 100000, ""},
	{"100000 opening braces in doc", HOSTILE_REFUSED, "{% doc %}", "{{", 100000, ""},
	{"100000 blocks within each other", HOSTILE_LIMITED, "", "{% if true %}", 100000, ""},
	{"99 blocks within each other", HOSTILE_REFUSED, "", "{% if true %}", 99, ""},
	{"100000 brackets within each other", HOSTILE_REFUSED, "{{ a", "[a", 100000, ""},
	{"100000 closed brackets within each other", HOSTILE_REFUSED, "{{ a", "[a", 100000, "}}"},
	{"100000 ranges within each other", HOSTILE_REFUSED, "{{ ", "(", 100000, "}}"},
	{"100000 parts of a path", HOSTILE_LIMITED, "{{ a", ".a", 100000, "}}"},
	{"100000 conditions", HOSTILE_LIMITED, "{% if a", " and a", 100000, "%}{% endif %}"},
	{"10000 conditions", HOSTILE_RENDERS, "{% if true", " and true", 10000, "%}{% endif %}"},
	{"100000 elsifs", HOSTILE_LIMITED, "{% if a %}", "{% elsif a %}", 100000, "{% endif %}"},
	{"100000 whens", HOSTILE_LIMITED, "{% case 1 %}{% when 1", ",1", 100000, "%}a{% endcase %}"},
	{"100000 arguments", HOSTILE_LIMITED, "{{ a | append: a", ",a", 100000, "}}"},
	{"100000 cycle values", HOSTILE_LIMITED, "{% cycle a", ",a", 100000, "%}"},
	{"100000 values in liquid", HOSTILE_LIMITED, "{% liquid\n", "echo a\n", 100000, "%}"},
	{"liquid in liquid in liquid", HOSTILE_RENDERS, "{% ", "liquid ", 10000, "echo 1 %}"},
	{"tags that never end in strip_html", HOSTILE_RENDERS, "{% assign a = '", "<script<!--<style", 5000,
	 "' %}{{ a | strip_html | size }}"},
	{"strip_html again and again", HOSTILE_LIMITED, "{% assign a = '", "<script", 10000,
	 "' %}{% for i in (1..100000) %}{% assign b = a | strip_html %}{% endfor %}"},
	{"contains again and again", HOSTILE_LIMITED, "{% assign a = '", "ab", 100000,
	 "' %}{% for i in (1..1000000) %}{% if a contains 'abba' %}x{% endif %}{% endfor %}"},
	{"replace_last of something long", HOSTILE_LIMITED, "{% assign a = '", "a", 200000,
	 "' %}{% assign b = a | slice: 0, 100000 | append: 'b' %}{% for i in (1..100) %}{{ a | replace_last: b, '' | size }}{% endfor %}"},
	{"sorting again and again", HOSTILE_LIMITED,
	 "{% for i in (1..1000000) %}{% assign b = big | sort | reverse | uniq %}{% endfor %}", "", 0, ""},
	{"a cycle of many keys", HOSTILE_LIMITED, "{% for i in (1..1000000) %}{% cycle i: 'a', 'b' %}{% endfor %}", "",
	 0, ""},
	{"a sum beyond 64 bits", HOSTILE_REFUSED, "{{ 9223372036854775807 | plus: 1 }}", "", 0, ""},
	{"a difference beyond 64 bits", HOSTILE_REFUSED, "{{ -9223372036854775808 | minus: 1 }}", "", 0, ""},
	{"a product beyond 64 bits", HOSTILE_REFUSED, "{{ 9223372036854775807 | times: 2 }}", "", 0, ""},
	{"the lowest integer by -1", HOSTILE_REFUSED, "{{ -9223372036854775808 | divided_by: -1 }}", "", 0, ""},
	{"the rest of the lowest integer by -1", HOSTILE_RENDERS, "{{ -9223372036854775808 | modulo: -1 }}", "", 0, ""},
	{"the lowest integer without its sign", HOSTILE_REFUSED, "{{ -9223372036854775808 | abs }}", "", 0, ""},
	{"by zero", HOSTILE_REFUSED, "{{ 1 | divided_by: 0 }}", "", 0, ""},
	{"the rest by zero", HOSTILE_REFUSED, "{{ 1 | modulo: 0 }}", "", 0, ""},
	{"an integer of 1000 digits", HOSTILE_REFUSED, "{{ ", "9", 1000, " | plus: 1 }}"},
	{"a float of 100000 digits", HOSTILE_RENDERS, "{{ 1.", "9", 100000, " | plus: 1 }}"},
	{"a huge float", HOSTILE_REFUSED, "{{ 1", "0", 300, ".0 | times: 10000000000.0 }}"},
	{"rounding to a million decimals", HOSTILE_RENDERS, "{{ 1.5 | round: 1000000 }}{{ 15 | round: -1000000 }}", "",
	 0, ""},
	{"a counter that grows", HOSTILE_LIMITED, "{% for i in (1..10000000) %}{% increment c %}{% endfor %}", "", 0,
	 ""},
	{"a date as wide as the sea", HOSTILE_RENDERS,
	 "{{ 'now' | date: '%1000000000Y%999999999999999999999d' | size }}", "", 0, ""},
	{"a date's format of 100000 bytes", HOSTILE_REFUSED, "{{ 'now' | date: '", "%c", 50000, "' }}"},
	{"dates of wide formats", HOSTILE_LIMITED,
	 "{% for i in (1..1000000) %}{{ i | date: '%64Y%64Y%64Y%64Y' }}{% endfor %}", "", 0, ""},
	{"a date at the end of time", HOSTILE_RENDERS,
	 "{{ 9223372036854775807 | date: '%c' }}{{ -9223372036854775807 | date: '%c' }}", "", 0, ""},
	{"bytes that are no text", HOSTILE_RENDERS,
	 "\xff\xfe{{ '\xff\xc3' | upcase | capitalize | truncate: 1 | escape | split: '' | join }}", "", 0, ""},
	{"a megabyte of text", HOSTILE_RENDERS, "", "0123456789abcdef", 65536, ""},
	{"more than a megabyte", HOSTILE_LIMITED, "", "0123456789abcdef", 65537, ""},
	{"a megabyte printed again and again", HOSTILE_LIMITED, "{% for i in (1..100) %}", "0123456789", 50000,
	 "{% endfor %}"},
	{"names without end", HOSTILE_LIMITED, "", "{% assign a = b %}", 60000, ""},
	{"looking far into the data", HOSTILE_LIMITED,
	 "{% for i in (0..100000) %}{{ big[i].x }}{{ big.last }}{% for j in big %}{% endfor %}{% endfor %}", "", 0, ""},
};
const size_t hostile_count = ARRAY_LENGTH(hostiles);

struct text hostile_source(const struct hostile *row)
{
	struct text source;

	text_init(&source, (size_t)4 * 1024 * 1024);
	text_add(&source, row->before);
	for (size_t i = 0; i < row->times; i++)
		text_add(&source, row->middle);
	text_add(&source, row->after);
	return source;
}

struct template_data hostile_data(void)
{
	static struct text json;

	if (json.length == 0) {
		text_init(&json, (size_t)64 * 1024);
		text_add(&json, "{\"a\":{},\"big\":[0");
		for (int i = 1; i < 5000; i++)
			text_addf(&json, ",%d", i * 7919 % 5000);
		text_add(&json, "]}");
	}
	return (struct template_data){.json = text_string(&json), .length = json.length};
}
