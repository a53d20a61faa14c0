# SPDX-License-Identifier: Apache-2.0
# Memory of the rank that has most, split by purpose, the libraries' share among it; the plan's prediction, which leaves that out,
# as a mark.

# Not the families' colours: these are purposes, not strategies.
parts = 5
array part_label[parts] = ['weights', 'activations', 'key store', 'buffers', 'libraries']
array part_colour[parts] = ['#33517a', '#5b8fc7', '#9c8f1c', '#7d8794', '#8f6a8f']
stats $memory using 6 nooutput
parts = STATS_max > 0 ? 5 : 4

number_px = 90
least_rows = 7
entries = parts + 1
wide_entry = 20 # letters

legend_px = 62 + 7.4 * wide_entry
label_px = 24 + 7.2 * most(columns, 12)
above = wanted_px > 0 && wanted_px - label_px - number_px - 16 < 160 # strategies stand above their bars
label_px = above ? 26 : label_px
bar_px = above ? 36 : 22
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

stats $memory using (most($7, $8)) nooutput
set xrange [0 : STATS_max * 1.02]
set yrange [rows : 0.4]
set grid xtics noytics lt 1 lw 0.8 lc rgb grid
set border 1
unset ytics
set xlabel 'memory of the fullest rank (MB)'
bar_place = above ? 'left offset character 0.2, 0 font small_font' : 'right offset character -0.8, 0'
do for [i = 1:bars] { set label 200 + i bar[i] at graph 0, first bar_y[i] - (above ? 0.36 : 0) @bar_place textcolor rgb ink }
do for [i = 1:headings] { set label 500 + i heading[i] at screen 16.0 / width, first heading_y[i] left font title_font textcolor rgb ink }
legend_left = is_beside ? label_px + plot_px + number_px + 10 : 16
legend_top = is_beside ? head_px : height - notes_px - below_px + 58
do for [k = 1:parts] {
    set object k @entry_box fillcolor rgb part_colour[k] fillstyle solid noborder
    set label 1000 + k part_label[k] @entry_text
}
k = entries
set label 1000 + k parts == 5 ? 'plan, no libraries' : 'by the plan' @entry_text
set label 1200 + k '' @entry_mark pt 12 ps mark lw 1.6 lc rgb ink

top(y) = y - (above ? 0.12 : 0.34)
middle(y) = (top(y) + y + 0.34) / 2
from(k) = k == 1 ? 0 : sum [j = 2:k] column(j)

plot for [k = 1:parts] $memory using (from(k)):1:(from(k)):(from(k + 1)):(top($1)):($1 + 0.34) with boxxyerror fill solid 1.0 noborder lc rgb part_colour[k], \
     $memory using 8:(middle($1)) with points pt 12 ps mark lw 1.6 lc rgb ink, \
     $memory using (most($7, $8)):(middle($1)):(amount[int($0 + 1)]) with labels left offset character 1.0, 0 font small_font textcolor rgb ink
