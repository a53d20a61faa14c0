# SPDX-License-Identifier: Apache-2.0
# Roofline: what each operation reached against its FLOPs a byte, below the best rates that were measured on the device.

entries = 0
array entry_kind[4]
do for [k = 1:4] {
    if (points_of[k] > 0) { entries = entries + 1; entry_kind[entries] = k }
}
left_px = 84
is_beside = 0
columns = 18
below_px = 58 + legend_h(entries)
width = wanted_px == 0 ? left_px + plot_px + 20 : wanted_px
height = head_px + plot_h + below_px + notes_px
eval open_chart(width, height)
set lmargin at screen left_px / width
set rmargin at screen (left_px + plot_px) / real(width)
set tmargin at screen 1 - real(head_px) / height
set bmargin at screen (notes_px + below_px) / real(height)

set logscale x 10
set logscale y 10
set xrange [x_low : x_high]
set yrange [y_low : y_high]
power(v) = v >= 0.001 && v < 100000 ? sprintf('%g', v) : sprintf('1e%d', int(floor(log10(v) + 0.5)))
set xtics ()
set ytics ()
do for [i = 1:x_tics] { set xtics add (power(x_tic[i]) x_tic[i]) }
do for [i = 1:y_tics] { set ytics add (power(y_tic[i]) y_tic[i]) }
set grid xtics ytics lt 1 lw 0.8 lc rgb grid
set xlabel 'work per traffic (FLOPs a byte, logarithmic)'
set ylabel 'rate (TFLOP/s, logarithmic)'

# ---- ceilings: a slope that all share, and a flat line each from where it meets the slope ----
slope(x) = traffic * x / 1000.0
ridge(k) = traffic > 0 ? most(x_low, 1000.0 * roof[k] / traffic) : x_low
roof_colour(k) = roof_name[k][1:8] eq 'products' ? word(kind_colours, 2) : word(kind_colours, 1)
highest = 0
do for [k = 1:roofs] { highest = most(highest, roof[k]) }
slope_end = roofs > 0 ? least(x_high, ridge(1) * highest / roof[1]) : x_high
rate_px(y) = plot_h * log10(y / y_low) / log10(y_high / y_low)
# Names of flat lines stand above them at the right, those that would cover each other below.
do for [k = 1:roofs] {
    below = 0
    do for [j = 1:roofs] { if (j != k && (roof[j] > roof[k] || (roof[j] == roof[k] && j < k)) && rate_px(roof[j]) - rate_px(roof[k]) < 16) { below = 1 } }
    set label 300 + k roof_name[k] at graph 1, first roof[k] right offset 0, character (below ? -0.6 : 0.6) font small_font textcolor rgb roof_colour(k)
}
if (traffic > 0) {
    slope_at = x_low * (least(slope_end, x_high) / x_low) ** 0.04
    turn_by = atan2(plot_h / log10(y_high / y_low), plot_px / log10(x_high / x_low)) * 180 / pi
    seen_at = most(slope_at, 1.05 * y_low * 1000.0 / traffic)
    set label 299 traffic_name at first seen_at, first slope(seen_at) left rotate by turn_by offset character -0.4, character 0.9 font small_font textcolor rgb faint
}

# ---- points: circles are drawn in units of x, so symbols of a size in pixels ----
symbol_px = format eq 'svg' ? 5.0 : format eq 'png' ? 4.0 : 4.0
do for [i = 1:names] { set label 400 + i point_name[i] at graph word($names[i], 1) + 0, graph word($names[i], 2) + 0 center font small_font textcolor rgb ink }
legend_left = 16
legend_top = head_px + plot_h + 58
do for [k = 1:entries] {
    set label 1000 + k part_of(kind_names, entry_kind[k]) @entry_text
    set label 1200 + k '' @entry_mark pt 7 ps 6 / symbol_px lc rgb word(kind_colours, entry_kind[k])
}
graph_x(g) = x_low * (x_high / x_low) ** g
graph_y(g) = y_low * (y_high / y_low) ** g

set samples 2
plot for [k = 1:roofs] '+' using (k > 0 ? ($0 == 0 ? ridge(k) : x_high) : NaN):(roof[k]) with lines lw 1.5 lc rgb roof_colour(k), \
     '+' using ($0 == 0 ? x_low : slope_end):(traffic > 0 ? slope($0 == 0 ? x_low : slope_end) : NaN) with lines lw 1.5 lc rgb faint, \
     $names using ($7 ? graph_x($3) : NaN):(graph_y($4)):(graph_x($5) - graph_x($3)):(graph_y($6) - graph_y($4)) with vectors nohead lw 0.8 lc rgb faint, \
     for [k = 1:4] $points using ($4 == k ? $1 : NaN):2:($3 / symbol_px) with points pt 7 ps variable lc rgb word(kind_colours, k), \
     for [k = 1:4] $points using ($4 == k ? $1 : NaN):2:($3 / symbol_px) with points pt 6 ps variable lw 0.8 lc rgb '#ffffff'
