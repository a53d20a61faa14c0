# SPDX-License-Identifier: Apache-2.0
# Bytes on the wire in one loop, all ranks together: upper bar counted, lower bar by the closed form, split by axis.
# They must coincide.

number_px = 90
least_rows = 9
entries = axes + 2
wide_entry = 16 # letters

legend_px = 62 + 7.4 * wide_entry
label_px = 24 + 7.2 * most(columns, 12)
above = wanted_px > 0 && wanted_px - label_px - number_px - 16 < 160 # strategies stand above their bars
label_px = above ? 26 : label_px
bar_px = above ? 40 : 26
is_beside = !above && beside(label_px + number_px, 200)
plot_px = wanted_px == 0 ? 520 : most(60, wanted_px - label_px - number_px - (is_beside ? legend_px : 16))
rows = most(height_rows + 1, is_beside ? most(least_rows, legend_line * entries / bar_px) : 0)
below_px = 58 + legend_h(entries)
width = wanted_px == 0 ? label_px + plot_px + number_px + legend_px : wanted_px
height = head_px + bar_px * rows + below_px + notes_px
eval open_chart(width, height)

set lmargin at screen label_px / width
set rmargin at screen (label_px + plot_px) / width
set tmargin at screen 1 - real(head_px) / height
set bmargin at screen (notes_px + below_px) / real(height)

stats $totals using 2 nooutput
set xrange [0 : STATS_max * 1.02]
set yrange [rows : 0.4]
set grid xtics noytics lt 1 lw 0.8 lc rgb grid
set border 1
unset ytics
set xlabel 'sent on the wire in one loop (MB)'
bar_place = above ? 'left offset character 0.2, 0 font small_font' : 'right offset character -0.8, 0'
do for [i = 1:bars] { set label 200 + i bar[i] at graph 0, first bar_y[i] - (above ? 0.36 : 0) @bar_place textcolor rgb ink }
do for [i = 1:headings] { set label 500 + i heading[i] at screen 16.0 / width, first heading_y[i] left font title_font textcolor rgb ink }
legend_left = is_beside ? label_px + plot_px + number_px + 10 : 16
legend_top = is_beside ? head_px : height - notes_px - below_px + 58
do for [k = 1:axes] {
    set object k @entry_box fillcolor rgb colour(axis[k]) fillstyle solid noborder
    set label 1000 + k axis[k] @entry_text
}
k = axes + 1
set object k @entry_box fillcolor rgb faint fillstyle solid noborder
set label 1000 + k 'upper: counted' @entry_text
k = axes + 2
set object k @entry_box fillstyle empty border rgb faint lw 1.2
set label 1000 + k 'lower: closed form' @entry_text

top(y) = y - (above ? 0.12 : 0.34)
middle(y) = (top(y) + y + 0.34) / 2

plot $counted using 2:1:2:3:(top($1)):(middle($1) - 0.03):(rgb(axis[int($4)])) with boxxyerror fill solid 1.0 noborder lc rgb variable, \
     $predicted using 2:1:2:3:(middle($1) + 0.03):($1 + 0.33):(rgb(axis[int($4)])) with boxxyerror fill empty lw 1.2 lc rgb variable, \
     $totals using 2:(middle($1)):(amount[int($0 + 1)]) with labels left offset character 0.8, 0 font small_font textcolor rgb ink
