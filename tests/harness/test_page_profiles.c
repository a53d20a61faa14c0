/* SPDX-License-Identifier: Apache-2.0 */
/* `ditbench report`, "Where the time goes": profiles that lie beside a results file. */
#include "tests/harness/program.h"
#include "tests/harness/rows.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

TestSuite(page_profiles, .init = program_limit);

static void says(const char *page, const char *text)
{
    cr_assert_not_null(strstr(page, text), "not said: %s\n%s", text, page);
}

/* The profile of a row, where `sweep --profile` puts it. */
static void write_profile(const char *name, const char *id, const char *shares)
{
    char path[200], text[600];
    mkdir(program_file("rows.profiles"), 0700);
    snprintf(path, sizeof path, "rows.profiles/%s", name);
    mkdir(program_file(path), 0700);
    snprintf(path, sizeof path, "rows.profiles/%s/profile.json", name);
    snprintf(text, sizeof text, "{\"steps\": 1, \"record\": {\"id\": \"%s\"}}\n", id);
    program_write(program_file(path), text);
    snprintf(path, sizeof path, "rows.profiles/%s/breakdown.csv", name);
    snprintf(text, sizeof text,
             "rank,step,total_ms,compute_ms,comm_ms,exposed_comm_ms,overlap_hta_pct,"
             "overlap_osu_pct,gaps_ms,bubble_ms,wait_ms,other_ms\n%s\n",
             shares);
    program_write(program_file(path), text);
}

Test(page_profiles, a_broken_profile_costs_its_own_line_alone)
{
    struct record *rows[] = {rows_ok("serial", 1, 200), rows_ok("ring=2", 2, 110)};
    write_profile("pixart-tiny.256.serial.1", rows[0]->id, "0,0,10,8,3,1,60,,0.5,0,0.3,0.2");
    write_profile("pixart-tiny.256.ring=2.2", rows[1]->id, "0,0,nonsense");
    char *path = rows_write(program_folder(), "rows.jsonl", 2, rows);
    struct program p = program_run("report", path, "--out", program_file("out/report.html"), NULL);
    cr_assert_eq(p.status, 0, "%s", p.err);
    cr_assert_not_null(strstr(p.err, "report: a breakdown is left out: "), "%s", p.err);
    program_release(&p);
    char *page = program_read(program_file("out/report.md"));
    says(page, "| `serial` | 10.00 | 8.000 | 1.000 | 0.000 | 0.300 | 0.500 | 0.200 |");
    says(page, "There is no breakdown of `ring=2`, 256\u00a0×\u00a0256\u00a0px, 2\u00a0ranks: ");
    says(page, "rows.profiles/pixart-tiny.256.ring=2.2/breakdown.csv");
    free(page);
    free(path);
    for (int i = 0; i < 2; i++)
        record_close(rows[i]);
}
