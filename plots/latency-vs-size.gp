# SPDX-License-Identifier: Apache-2.0
# Latency of a loop against the size of the image: a panel for each number of ranks, a curve for each strategy.
# Sizes stand evenly spaced, whatever their numbers. The serial run is in every panel.

legend_px = 70 + 7.6 * columns
across = panels < 3 ? panels : 3
down = (panels + across - 1) / across
panel_w = across == 1 ? 560 : across == 2 ? 380 : 300
panel_h = across == 1 ? 400 : 280
width = 84 + across * panel_w + (across - 1) * 22 + legend_px
height = head_px + down * (panel_h + 62) + 22 + notes_px
eval open_chart(width, height)
set multiplot

set xrange [0.7 : sizes + 0.3]
set xtics ()
set for [i = 1:sizes] xtics add (size_label[i] i)
if (sizes > 4) set xtics rotate by -30
# From here on a linear axis would hide the small sizes.
logarithmic = ratio > 12
if (logarithmic) set logscale y 10
set yrange [logarithmic ? low / 1.5 : 0 : high * (logarithmic ? 1.5 : 1.07)]

do for [p = 1:panels] {
    place_x = (p - 1) % across
    place_y = (p - 1) / across
    x0 = 84.0 + place_x * (panel_w + 22)
    y0 = head_px + 18.0 + place_y * (panel_h + 62)
    set lmargin at screen x0 / width
    set rmargin at screen (x0 + panel_w) / width
    set tmargin at screen 1 - y0 / height
    set bmargin at screen 1 - (y0 + panel_h) / height
    set title sprintf('%d rank%s', ranks[p], ranks[p] == 1 ? '' : 's') offset 0, -0.6 font title_font textcolor rgb ink
    set xlabel (place_y == down - 1 || p + across > panels ? 'size (px)' : '')
    if (place_x == 0) {
        set ylabel 'latency of one loop ('.unit.(logarithmic ? '), logarithmic' : ')')
        set format y '%g'
    } else {
        unset ylabel
        set format y ''
    }
    if (p == 1) {
        set key at screen (x0 + across * panel_w + (across - 1) * 22 + 14) / width, screen 1 - y0 / height left top maxcols 1
    } else {
        unset key
    }
    plot for [i = 1:curves] $points index (p - 1) * curves + i - 1 using 1:2 with lines @curve_line notitle, \
         for [i = 1:curves] $points index (p - 1) * curves + i - 1 using 1:2:3:4 with yerrorbars @curve_point notitle, \
         for [i = 1:curves] keyentry with linespoints @curve_line @curve_symbol title label[i]
    if (p == 1) { do for [i = 1:3 + 64] { unset label i } }
}
unset multiplot
