# SPDX-License-Identifier: Apache-2.0
# Speed-up over the serial run, and the part of it that each rank gives, against the number of ranks.

legend_px = 70 + 7.6 * columns
panel_px = 370
width = 86 + panel_px + 84 + panel_px + legend_px
height = head_px + 440 + notes_px
eval open_chart(width, height)
set multiplot
stats $points using (100 * ($4 > $2 ? $4 : $2) / $1) nooutput
efficiency_top = STATS_max
stats $points using ($4 > $2 ? $4 : $2) nooutput
speedup_top = STATS_max
stats $points using ($3 < $2 ? $3 : $2) nooutput
speedup_low = STATS_min
set tmargin at screen 1 - real(head_px) / height
set bmargin at screen (notes_px + 58.0) / height

set logscale x 2
set xrange [tic[1] / 1.18 : tic[tics] * 1.18]
set xtics ()
set for [i = 1:tics] xtics add (sprintf('%d', tic[i]) tic[i])
set xlabel 'ranks'

set lmargin at screen 86.0 / width
set rmargin at screen (86.0 + panel_px) / width
set ylabel 'speed-up, higher is better'
set logscale y 2
set yrange [speedup_low / 1.1 : speedup_top * 1.1]
set key at screen (86.0 + 2 * panel_px + 84 + 14) / width, screen 1 - real(head_px) / height left top maxcols 1
plot x with lines lw 1.5 dt 3 lc rgb faint title 'ideal', \
     for [i = 1:curves] $points index i - 1 using 1:2 with lines @curve_line notitle, \
     for [i = 1:curves] $points index i - 1 using 1:($5 > 0 ? $2 : NaN):3:4 with yerrorbars @curve_point notitle, \
     for [i = 1:curves] keyentry with linespoints @curve_line @curve_symbol title label[i]

do for [i = 1:3 + 64] { unset label i }
set lmargin at screen (86.0 + panel_px + 84) / width
set rmargin at screen (86.0 + 2 * panel_px + 84) / width
set ylabel 'efficiency: speed-up / ranks (%)'
unset key
unset logscale y
set yrange [0 : efficiency_top > 102 ? efficiency_top * 1.03 : 105]
plot 100 with lines lw 1.5 dt 3 lc rgb faint, \
     for [i = 1:curves] $points index i - 1 using 1:(100 * $2 / $1) with lines @curve_line, \
     for [i = 1:curves] $points index i - 1 using 1:($5 > 0 ? 100 * $2 / $1 : NaN):(100 * $3 / $1):(100 * $4 / $1) with yerrorbars @curve_point
unset multiplot
