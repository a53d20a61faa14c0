# SPDX-License-Identifier: Apache-2.0
# Speed-up over the serial run, and the part of it that each rank gives, against the number of ranks.

left_px = 86
between_px = 84
entries = curves + 1 + (noisy > 0)
is_beside = beside(left_px + between_px, 520)
room_px = wanted_px == 0 ? 740 : wanted_px - left_px - (is_beside ? legend_px : 16)
stacked = wanted_px > 0 && (room_px - between_px) / 2 < 180
panel_px = wanted_px == 0 ? 370 : stacked ? room_px : (room_px - between_px) / 2.0
panel_h = most(is_beside ? legend_line * entries : 0, wanted_px == 0 ? 440 : most(220, least(440, 0.9 * panel_px)))
below_px = 58 + legend_h(entries)
width = wanted_px == 0 ? left_px + panel_px + between_px + panel_px + legend_px : wanted_px
height = head_px + panel_h + (stacked ? panel_h + 62 : 0) + below_px + notes_px
eval open_chart(width, height)
set multiplot

# The frame of panel p.
panel_x(p) = stacked ? left_px : left_px + (p - 1) * (panel_px + between_px)
panel_y(p) = stacked ? head_px + (p - 1) * (panel_h + 62) : head_px
panel = "set lmargin at screen panel_x(p) / real(width); set rmargin at screen (panel_x(p) + panel_px) / real(width); set tmargin at screen 1 - panel_y(p) / real(height); set bmargin at screen 1 - (panel_y(p) + panel_h) / real(height)"

eval x_axis
set xlabel named('ranks', '', x_log)
p = 1
eval panel
eval y_axis
set ylabel named('speed-up', '', y_log).(panel_h > 330 ? ', higher is better' : '')
legend_left = is_beside ? left_px + 2 * panel_px + between_px + 16 : 16
legend_top = is_beside ? head_px : height - notes_px - below_px + 58
k = 1
set arrow 1000 + k @entry_line lw 1.5 dt 3 lc rgb faint
set label 1000 + k 'ideal' @entry_text
do for [k = 2:curves + 1] {
    i = k - 1
    @curve_entry
}
if (noisy > 0) {
    k = entries
    @noisy_entry
}

plot x with lines lw 1.5 dt 3 lc rgb faint, \
     for [i = 1:curves] $points index i - 1 using (moved($1, $7, panel_px)):2 with lines @curve_line, \
     for [i = 1:curves] $points index i - 1 using (moved($1, $7, panel_px)):($5 > 0 ? $2 : NaN):3:4 with yerrorbars @curve_point, \
     for [i = 1:curves] $points index i - 1 using (moved($1, $7, panel_px)):($6 > 0 ? $2 : NaN) with points @noisy_point

unset label
unset arrow
p = 2
eval panel
unset logscale y
set ytics autofreq
set yrange [0 : efficiency_high]
set ylabel 'efficiency: speed-up / ranks (%)'
plot 100 with lines lw 1.5 dt 3 lc rgb faint, \
     for [i = 1:curves] $points index i - 1 using (moved($1, $7, panel_px)):(100 * $2 / $1) with lines @curve_line, \
     for [i = 1:curves] $points index i - 1 using (moved($1, $7, panel_px)):($5 > 0 ? 100 * $2 / $1 : NaN):(100 * $3 / $1):(100 * $4 / $1) with yerrorbars @curve_point, \
     for [i = 1:curves] $points index i - 1 using (moved($1, $7, panel_px)):($6 > 0 ? 100 * $2 / $1 : NaN) with points @noisy_point
unset multiplot
