# SPDX-License-Identifier: Apache-2.0
# Latency of a loop against the number of ranks: one curve for each strategy, bars from p10 to p90.

legend_px = 70 + 7.6 * columns
width = 84 + 600 + legend_px
height = head_px + 440 + notes_px
eval open_chart(width, height)

set lmargin at screen 84.0 / width
set rmargin at screen 684.0 / width
set tmargin at screen 1 - real(head_px) / height
set bmargin at screen (notes_px + 58.0) / height

set logscale x 2
set xrange [tic[1] / 1.18 : tic[tics] * 1.18]
set xtics ()
set for [i = 1:tics] xtics add (sprintf('%d', tic[i]) tic[i])
stats $points using ($4 > $2 ? $4 : $2) nooutput
set yrange [0 : STATS_max * 1.06]
set xlabel 'ranks'
set ylabel 'latency of one loop ('.unit.'), lower is better'
set key at screen 698.0 / width, screen 1 - real(head_px) / height left top maxcols 1

plot for [i = 1:curves] $points index i - 1 using 1:2 with lines @curve_line notitle, \
     for [i = 1:curves] $points index i - 1 using 1:($5 > 0 ? $2 : NaN):3:4 with yerrorbars @curve_point notitle, \
     for [i = 1:curves] keyentry with linespoints @curve_line @curve_symbol title label[i]
