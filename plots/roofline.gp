# SPDX-License-Identifier: Apache-2.0
# Roofline: what each operation reached against its FLOPs a byte, below the best rates that were measured on the device.

left_px = 84
is_beside = 0
width = wanted_px == 0 ? left_px + plot_px + 20 : wanted_px
legend_columns(px) = most(1, int((width - 16) / px))
array entry_kind[4]
kinds = 0
do for [k = 1:4] {
    if (points_of[k] > 0) { kinds = kinds + 1; entry_kind[kinds] = k }
}
entries = kinds + roofs + (traffic > 0)
below_px = 58 + legend_h(entries)
height = head_px + plot_h + below_px + notes_px
eval open_chart(width, height)
set lmargin at screen left_px / real(width)
set rmargin at screen (left_px + plot_px) / real(width)
set tmargin at screen 1 - head_px / real(height)
set bmargin at screen (notes_px + below_px) / real(height)

set logscale x 10
set logscale y 10
set xrange [x_low : x_high]
set yrange [y_low : y_high]
power(v) = sprintf('%g', v)
set xtics ()
set ytics ()
do for [i = 1:x_tics] { set xtics add (power(x_tic[i]) x_tic[i]) }
do for [i = 1:y_tics] { set ytics add (power(y_tic[i]) y_tic[i]) }
set grid xtics ytics lt 1 lw 0.8 lc rgb grid
set xlabel plot_px < 300 ? 'FLOPs a byte (logarithmic)' : 'work for what is moved (FLOPs a byte, logarithmic)'
set ylabel 'rate (TFLOP/s, logarithmic)'

# ---- ceilings: a slope that all share, and a flat line each from where it meets the slope ----
slope(x) = traffic * x / 1000.0
ridge(k) = traffic > 0 ? most(x_low, 1000.0 * roof[k] / traffic) : x_low
roof_colour(k) = roof_name[k][1:8] eq 'products' ? word(kind_colours, 2) : word(kind_colours, 1)
array roof_dash[16]
roof_dash[1] = 1
do for [k = 1:roofs] { roof_dash[k] = roof_name[k][1:8] eq 'products' ? 1 : 1 + k % 5 }
highest = 0
do for [k = 1:roofs] { highest = most(highest, roof[k]) }
slope_end = roofs > 0 ? least(x_high, ridge(1) * highest / roof[1]) : x_high

roof_line = "lw 1.6 dt roof_dash[k] lc rgb roof_colour(k)"

# ---- points: circles are drawn in units of x, so symbols of a size in pixels ----
symbol_px = format eq 'svg' ? 4.5 : format eq 'png' ? 3.0 : 4.0
do for [i = 1:names] { set label 400 + i point_name[i] at graph word($names[i], 1) + 0, graph word($names[i], 2) + 0 center font small_font textcolor rgb ink }
legend_left = 16
legend_top = head_px + plot_h + 58
do for [k = 1:kinds] {
    set label 1000 + k part_of(kind_names, entry_kind[k]) @entry_text
    set label 1200 + k '' @entry_mark pt 7 ps 6 / symbol_px lc rgb word(kind_colours, entry_kind[k])
}
do for [j = 1:roofs] {
    k = kinds + j
    set label 1000 + k roof_name[j] @entry_text
    set arrow 1000 + k @entry_line lw 1.6 dt roof_dash[j] lc rgb roof_colour(j)
}
if (traffic > 0) {
    k = entries
    set label 1000 + k traffic_name @entry_text
    set arrow 1000 + k @entry_line lw 1.6 lc rgb faint
}
graph_x(g) = x_low * (real(x_high) / x_low) ** g
graph_y(g) = y_low * (real(y_high) / y_low) ** g

# Each on a white disc, so that those which touch are told apart; the largest at the bottom.
set print $discs
print 'NaN NaN 0 0'
do for [i = 1:points_n] {
    do for [k = 0:1] {
        print word($points[i], 1), ' ', word($points[i], 2), ' ', (word($points[i], 3) + (1 - k) * 0.8) / symbol_px, ' ', k ? number(word(kind_colours, int(word($points[i], 4)))) : 16777215
    }
}
unset print

set samples 2
plot for [k = 1:roofs] '+' using (k > 0 ? ($0 == 0 ? ridge(k) : x_high) : NaN):(roof[k]) with lines @roof_line, \
     '+' using ($0 == 0 ? x_low : slope_end):(traffic > 0 ? slope($0 == 0 ? x_low : slope_end) : NaN) with lines lw 1.6 lc rgb faint, \
     $names using ($7 > 0 ? graph_x($3) : NaN):(graph_y($4)):(graph_x($5) - graph_x($3)):(graph_y($6) - graph_y($4)) with vectors nohead lw 0.8 lc rgb faint, \
     $discs using 1:2:3:4 with points pt 7 ps variable lc rgb variable
