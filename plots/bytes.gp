# SPDX-License-Identifier: Apache-2.0
# Bytes on the wire in one loop, all ranks together: upper bar counted, lower bar by the closed form, split by axis.
# They must coincide.

label_px = 24 + 7.2 * (columns > 12 ? columns : 12)
bar_px = 26
legend_px = 190
width = label_px + 520 + 90 + legend_px
rows = height_rows + 1 > 9 ? height_rows + 1 : 9
height = head_px + bar_px * rows + 58 + notes_px
eval open_chart(width, height)

set lmargin at screen label_px / width
set rmargin at screen (label_px + 520.0) / width
set tmargin at screen 1 - real(head_px) / height
set bmargin at screen (notes_px + 58.0) / height

stats $totals using 2 nooutput
set xrange [0 : STATS_max * 1.02]
set yrange [rows : 0.4]
set grid xtics noytics lt 1 lw 0.8 lc rgb pale
set border 1
unset ytics
set xlabel 'sent on the wire in one loop ('.unit.')'
do for [i = 1:bars] { set label 100 + i bar[i] at graph 0, first bar_y[i] right offset character -0.8, 0 textcolor rgb ink }
do for [i = 1:headings] { set label 10000 + i heading[i] at screen 16.0 / width, first heading_y[i] left font title_font textcolor rgb ink }
set key at screen (label_px + 610.0) / width, screen 1 - real(head_px) / height left top maxcols 1

amount(x) = sprintf(x < 100 ? '%.2f' : '%.1f', x).' '.unit
verdict(counted, predicted) = amount(counted).(counted == predicted ? '' : ' (closed form: '.amount(predicted).')')

plot $counted using 2:1:2:3:($1 - 0.34):($1 + 0.02):(rgb(axis[int($4)])) with boxxyerror fill solid 1.0 noborder lc rgb variable notitle, \
     $predicted using 2:1:2:3:($1 + 0.06):($1 + 0.34):(rgb(axis[int($4)])) with boxxyerror fill solid 0.4 noborder lc rgb variable notitle, \
     $totals using 2:1:(verdict($2, $3)) with labels left offset character 0.8, 0 font small_font textcolor rgb ink notitle, \
     for [i = 1:axes] keyentry with boxes fill solid 1.0 noborder lc rgb colour(axis[i]) title axis[i], \
     keyentry with boxes fill solid 1.0 noborder lc rgb faint title 'upper: counted', \
     keyentry with boxes fill solid 0.4 noborder lc rgb faint title 'lower: closed form'
