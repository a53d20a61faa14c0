/* SPDX-License-Identifier: Apache-2.0 */
/* The section "How to read this page". */
#include "harness/page/report_part.h"

void report_words(struct report *report)
{
    static const char *const words[] = {
        "Cell: one question, such as a model, a size, a strategy and a number of ranks. Row: its "
        "answer.",
        "Rank: one worker, as a rule one GPU. Serial: one rank alone, the run that others are "
        "compared with.",
        "Step: one denoising step; of a decoder (VAE) a whole decode, its only step. Loop: all "
        "steps "
        "of one cell, from a barrier of all ranks until every rank has its part of the final "
        "latent, or of the picture; the slowest rank counts. Of a transformer's loop, text "
        "encoders and VAE are no part.",
        "Strategy: how the work is split, as NAME=DEGREE; several with commas are a combination, "
        "outermost first. `usp` is ring and ulysses together.",
        "Median: half of the loops took less. All times here are medians of loops, unless they "
        "say otherwise.",
        "95 % interval: where the true median lies with that certainty, if nothing changed "
        "meanwhile. Of fewer than 6 loops there is none, and the fastest and slowest loop stand in "
        "brackets instead.",
        "Within noise: the 95 % interval of the ratio of two medians (bootstrap) holds 1, or the "
        "rounds of one cell differ by more than the cells. With fewer than 5 loops: their ranges "
        "overlap.",
        "Speed-up: time of serial over time of the cell. Efficiency: speed-up over the number of "
        "ranks.",
        "Memory: of the rank that holds most, with what CUDA and the communication library take; "
        "of other programs the peak of their own allocator alone, and what they send nobody "
        "counted. MB is 1e6 bytes.",
        "Exact strategies give the result of serial but for rounding. Stale ones (pipefusion, "
        "distrifusion) take keys of the step before for a part of the image: faster, and their "
        "latent differs. Relative L2 and PSNR say how far.",
    };
    doc_heading(report->doc, 2, "How to read this page");
    doc_fold(report->doc, "Ten words: cell, rank, step, loop, median, interval, ...");
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        doc_item(report->doc, "%s", words[i]);
    doc_unfold(report->doc);
}
