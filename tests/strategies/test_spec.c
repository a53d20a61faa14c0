/* SPDX-License-Identifier: Apache-2.0 */
/* The text form of hybrids: canonical text, refusals with their position, the registry's own rules.
 */
#include "strategies/strategy.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static void expect_canonical(const char *text, int heads, const char *want)
{
    struct spec raw;
    struct spec spec;
    char buffer[SPEC_TEXT];
    cr_assert_eq(spec_parse(text, &raw), ST_OK, "%s: %s", text, status_text());
    cr_assert_eq(spec_expand(&raw, heads, &spec), ST_OK, "%s: %s", text, status_text());
    cr_expect_str_eq(spec_text(&spec, buffer), want, "%s -> %s, not %s", text, buffer, want);
}

Test(spec, canonical_text)
{
    expect_canonical("serial", 12, "serial");
    expect_canonical("ulysses=1", 12, "serial");
    expect_canonical("pipefusion=1,cfg=1", 12, "serial");
    expect_canonical("tensor=2,ulysses=3,ring=2,cfg=2,data=4", 12,
                     "data=4,cfg=2,ring=2,ulysses=3,tensor=2");
    expect_canonical("tensor=2,ulysses=3,allgather=2,distrifusion=2,pipefusion=2", 12,
                     "pipefusion=2,distrifusion=2,allgather=2,ulysses=3,tensor=2");
    expect_canonical("ulysses=2,pipefusion=2:warmup=1:patches=4,cfg=2", 12,
                     "cfg=2,pipefusion=2:patches=4:warmup=1,ulysses=2");
    expect_canonical("pipefusion=1:patches=4:warmup=0", 12, "pipefusion=1:patches=4:warmup=0");
    expect_canonical("pipefusion=3:layers=1/2/5", 12, "pipefusion=3:layers=1/2/5");
    expect_canonical("distrifusion=4:patches=4", 12, "distrifusion=4:patches=4");
    expect_canonical("tensor=2,cfg=2", 12, "cfg=2,tensor=2");
}

/* usp: ulysses is the largest divisor of the degree that divides the heads; the ring takes the
 * rest. */
Test(spec, usp_is_ring_times_ulysses)
{
    expect_canonical("usp=4", 16, "ulysses=4");
    expect_canonical("usp=8", 12, "ring=2,ulysses=4");
    expect_canonical("usp=6", 16, "ring=3,ulysses=2");
    expect_canonical("usp=5", 16, "ring=5");
    expect_canonical("usp=4:ulysses=2", 16, "ring=2,ulysses=2");
    expect_canonical("usp=4:ulysses=1", 16, "ring=4");
    expect_canonical("cfg=2,usp=4:ulysses=4", 16, "cfg=2,ulysses=4");
    expect_canonical("usp=1", 16, "serial");
}

static void expect_refused(const char *text, int position, const char *word)
{
    struct spec spec;
    char at[40];
    snprintf(at, sizeof at, "position %d", position);
    cr_assert_eq(spec_parse(text, &spec), ST_INVALID, "'%s' was taken", text);
    cr_expect(strstr(status_message(), at), "'%s': '%s' lacks '%s'", text, status_message(), at);
    cr_expect(strstr(status_message(), word), "'%s': '%s' lacks '%s'", text, status_message(),
              word);
}

Test(spec, refusals_name_the_position)
{
    expect_refused("", 1, "legal");
    expect_refused("ulyses=2", 1, "ulysses");
    expect_refused("cfg=2,rign=2", 7, "unknown strategy 'rign'");
    expect_refused("cfg=2,cfg=2", 7, "twice");
    expect_refused("cfg", 4, "degree");
    expect_refused("cfg=", 5, "whole number");
    expect_refused("cfg=0", 5, "from 1");
    expect_refused("cfg=-1", 5, "whole number");
    expect_refused("cfg=2x", 6, "','");
    expect_refused("cfg=2,", 7, "legal");
    expect_refused("cfg=2:patches=2", 7, "no option 'patches'");
    expect_refused("pipefusion=2:patch=2", 14, "patches, warmup, layers");
    expect_refused("pipefusion=2:patches=0", 22, "from 1");
    expect_refused("distrifusion=2:patch=2", 16, "its options: patches, warmup");
    expect_refused("tensor=2:chunks=2", 10, "no option 'chunks'");
    expect_refused("pipefusion=2:patches=2:patches=3", 24, "twice");
    expect_refused("pipefusion=2:warmup=1/2", 22, "','");
    expect_refused("pipefusion=2:layers=4/", 23, "whole number");
    expect_refused("pipefusion=99999999999999999999", 12, "1000000");
    expect_refused("serial,cfg=2", 1, "stands alone");
    expect_refused("usp=4:ulysses=2,ring=2", 17, "'ring' is given twice, also by usp");
    expect_refused("ulysses=2,usp=2", 11, "'usp' is given twice, also by ulysses");
    expect_refused(" cfg=2", 1, "unknown strategy");
}

Test(spec, usp_needs_a_divisor)
{
    struct spec raw;
    struct spec spec;
    cr_assert_eq(spec_parse("usp=4:ulysses=3", &raw), ST_OK);
    cr_expect_eq(spec_expand(&raw, 12, &spec), ST_UNSUPPORTED);
    cr_expect(strstr(status_message(), "1, 2, 4"));
}

Test(spec, composites_are_known_by_their_parts)
{
    struct spec spec;
    cr_assert_eq(spec_parse("ring=2,ulysses=4", &spec), ST_OK);
    cr_expect_str_eq(spec_composite(&spec), "usp");
    cr_assert_eq(spec_parse("ring=2", &spec), ST_OK);
    cr_expect_null(spec_composite(&spec));
    cr_assert_eq(spec_parse("ring=2,ulysses=4,tensor=2", &spec), ST_OK);
    cr_expect_null(spec_composite(&spec));
    cr_assert_eq(spec_parse("serial", &spec), ST_OK);
    cr_expect_null(spec_composite(&spec));
}

static void expect_reference(const char *text, const char *want)
{
    struct spec raw;
    struct spec spec;
    struct spec reference;
    char buffer[SPEC_TEXT];
    cr_assert_eq(spec_parse(text, &raw), ST_OK);
    cr_assert_eq(spec_expand(&raw, 12, &spec), ST_OK);
    spec_reference(&spec, &reference);
    cr_expect_str_eq(spec_text(&reference, buffer), want);
}

Test(spec, one_rank_references)
{
    expect_reference("cfg=2,ulysses=4", "serial");
    expect_reference("pipefusion=4", "pipefusion=1:patches=4:warmup=1");
    expect_reference("cfg=2,pipefusion=2:patches=8:warmup=0,ring=2",
                     "pipefusion=1:patches=8:warmup=0");
    expect_reference("distrifusion=3:warmup=2,tensor=2", "distrifusion=1:patches=3:warmup=2");
    expect_reference("cfg=2,tensor=2", "serial");
    expect_reference("distrifusion=1:patches=5:warmup=2", "distrifusion=1:patches=5:warmup=2");
}

Test(registry, tables_are_complete_and_names_unique)
{
    for (int i = 0; strategy_at(i); i++) {
        const struct strategy_ops *s = strategy_at(i);
        cr_expect(s->name && s->summary && s->paper && s->seam && s->bytes && s->memory);
        cr_expect((s->plan != NULL) != (s->expand != NULL), "%s", s->name);
        cr_expect((s->parts != NULL) == (s->expand != NULL), "%s", s->name);
        cr_expect_eq(strategy_find(s->name), s);
        cr_expect_eq(strategy_order(s), i);
        for (int k = 0; k < i; k++)
            cr_expect_str_neq(strategy_at(k)->name, s->name);
    }
    cr_expect_null(strategy_find("serial"));
}
