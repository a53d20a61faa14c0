# SPDX-License-Identifier: Apache-2.0
# Memory of the rank that has most, split by purpose, with the plan's prediction as a mark.

label_px = 24 + 7.2 * (columns > 12 ? columns : 12)
bar_px = 22
legend_px = 190
width = label_px + 520 + 90 + legend_px
rows = height_rows + 1 > 7 ? height_rows + 1 : 7
height = head_px + bar_px * rows + 58 + notes_px
eval open_chart(width, height)

# Not the families' colours: these are purposes, not strategies.
parts = 5
array part_label[parts] = ['weights', 'activations', 'key store', 'buffers', 'libraries']
array part_colour[parts] = ['#33517a', '#7ba3cf', '#c9c04f', '#c4cbd3', '#8f6a8f']

set lmargin at screen label_px / width
set rmargin at screen (label_px + 520.0) / width
set tmargin at screen 1 - real(head_px) / height
set bmargin at screen (notes_px + 58.0) / height

stats $memory using (column(2) + column(3) + column(4) + column(5) + column(6)) nooutput
top = STATS_max
stats $memory using 8 nooutput
top = STATS_max > top ? STATS_max : top
stats $memory using 6 nooutput
libraries = STATS_max > 0
set xrange [0 : top * 1.02]
set yrange [rows : 0.4]
set grid xtics noytics lt 1 lw 0.8 lc rgb pale
set border 1
unset ytics
set xlabel 'memory of the fullest rank ('.unit.')'
do for [i = 1:bars] { set label 100 + i bar[i] at graph 0, first bar_y[i] right offset character -0.8, 0 textcolor rgb ink }
do for [i = 1:headings] { set label 10000 + i heading[i] at screen 16.0 / width, first heading_y[i] left font title_font textcolor rgb ink }
set key at screen (label_px + 610.0) / width, screen 1 - real(head_px) / height left top maxcols 1

amount(x) = sprintf(x < 100 ? '%.2f' : '%.1f', x).' '.unit
from(k) = k == 1 ? 0 : sum [j = 2:k] column(j)
right(x, y) = x > y ? x : y

plot for [k = 1:parts] $memory using (from(k)):1:(from(k)):(from(k + 1)):($1 - 0.34):($1 + 0.34) with boxxyerror fill solid 1.0 noborder lc rgb part_colour[k] notitle, \
     $memory using 8:1 with points pt 12 ps mark lw 1.6 lc rgb ink notitle, \
     $memory using (right(from(parts + 1), $8)):1:(amount($7)) with labels left offset character 1.0, 0 font small_font textcolor rgb ink notitle, \
     for [k = 1:parts - (libraries ? 0 : 1)] keyentry with boxes fill solid 1.0 noborder lc rgb part_colour[k] title part_label[k], \
     keyentry with points pt 12 ps mark lw 1.6 lc rgb ink title 'predicted'
