# SPDX-License-Identifier: Apache-2.0
# Latency of a loop against the number of ranks: one curve for each strategy, bars from p10 to p90.

left_px = 84
entries = curves + (noisy > 0)
is_beside = beside(left_px, 300)
plot_px = wanted_px == 0 ? 600 : wanted_px - left_px - (is_beside ? legend_px : 16)
plot_h = most(is_beside ? legend_line * entries : 0, wanted_px == 0 ? 440 : most(230, least(440, 0.75 * plot_px)))
below_px = 58 + legend_h(entries)
width = wanted_px == 0 ? left_px + plot_px + legend_px : wanted_px
height = head_px + plot_h + below_px + notes_px
eval open_chart(width, height)

set lmargin at screen left_px / width
set rmargin at screen (left_px + plot_px) / width
set tmargin at screen 1 - real(head_px) / height
set bmargin at screen (notes_px + below_px) / real(height)

eval x_axis
set yrange [0 : y_high]
set xlabel named('ranks', '', x_log)
set ylabel 'latency of one loop ('.unit.')'.(plot_h > 330 ? ', lower is better' : '')
legend_left = is_beside ? left_px + plot_px + 16 : 16
legend_top = is_beside ? head_px : head_px + plot_h + 58
do for [k = 1:curves] {
    i = k
    @curve_entry
}
if (noisy > 0) {
    k = entries
    @noisy_entry
}

plot for [i = 1:curves] $points index i - 1 using (moved($1, $7, plot_px)):2 with lines @curve_line, \
     for [i = 1:curves] $points index i - 1 using (moved($1, $7, plot_px)):($5 > 0 ? $2 : NaN):3:4 with yerrorbars @curve_point, \
     for [i = 1:curves] $points index i - 1 using (moved($1, $7, plot_px)):($6 > 0 ? $2 : NaN) with points @noisy_point
