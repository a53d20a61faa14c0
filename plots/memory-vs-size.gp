# SPDX-License-Identifier: Apache-2.0
# Memory of the rank that has most against the size of the image: a panel for each number of ranks, a curve for each strategy.
# Sizes stand evenly spaced, whatever their numbers. The serial run is in every panel. What did not fit is what the plan
# foresaw: hollow.

left_px = 84
legend_px = most(legend_px, 70 + 7.4 * 16)
between_px = 22
entries = curves + (planned > 0) + (limit > 0)
is_beside = beside(left_px, 300)
room_px = wanted_px == 0 ? 900 : wanted_px - left_px - (is_beside ? legend_px : 16)
fit = most(1, least(3, int((room_px + between_px) / (210 + between_px))))
across = panels < fit ? panels : fit
down = (panels + across - 1) / across
panel_px = wanted_px > 0 ? (room_px - (across - 1) * between_px) / real(across) : across == 1 ? 560 : across == 2 ? 380 : 300
panel_h = wanted_px > 0 ? most(220, least(400, 0.75 * panel_px)) : across == 1 ? 400 : 280
panel_h = is_beside && legend_line * entries > down * (panel_h + 62) ? legend_line * entries / down : panel_h
below_px = 22 + legend_h(entries)
width = wanted_px == 0 ? left_px + across * panel_px + (across - 1) * between_px + legend_px : wanted_px
height = head_px + down * (panel_h + 62) + below_px + notes_px
eval open_chart(width, height)
set multiplot

# Filled symbols have their outline one below them.
hollow_of(f, v) = filled(f, v) > 3 ? filled(f, v) - 1 : filled(f, v)

x_log = 0
x_gap = 1
array x_tic[1] = [1]
x_low = 0.6
x_high = sizes + 0.4
set xrange [x_low : x_high]
set xtics ()
set for [i = 1:sizes] xtics add (size_label[i] i)
if (sizes > 4 || panel_px / sizes < 45) set xtics rotate by -30
eval y_axis

legend_left = is_beside ? left_px + across * panel_px + (across - 1) * between_px + 16 : 16
legend_top = is_beside ? head_px + 18 : height - notes_px - below_px + 22
do for [k = 1:curves] {
    i = k
    @curve_entry
}
if (planned > 0) {
    k = curves + 1
    set arrow 1000 + k @entry_line lw 1.4 lc rgb faint dt 2
    set label 1000 + k 'by the plan' @entry_text
    set label 1200 + k '' @entry_mark pt 6 ps mark lw 1.2 lc rgb faint
}
if (limit > 0) {
    k = entries
    set arrow 1000 + k @entry_line lw 1.4 lc rgb ink dt 3
    set label 1000 + k sprintf('the GPU: %.0f %s', limit, unit) @entry_text
}

do for [p = 1:panels] {
    place_x = (p - 1) % across
    place_y = (p - 1) / across
    x0 = left_px + place_x * (panel_px + between_px)
    y0 = head_px + 18.0 + place_y * (panel_h + 62)
    set lmargin at screen x0 / real(width)
    set rmargin at screen (x0 + panel_px) / real(width)
    set tmargin at screen 1 - y0 / height
    set bmargin at screen 1 - (y0 + panel_h) / real(height)
    set title sprintf('%d rank%s', ranks[p], ranks[p] == 1 ? '' : 's') offset 0, -0.6 font title_font textcolor rgb ink
    set xlabel (place_y == down - 1 || p + across > panels ? 'size (px), evenly spaced' : '')
    set ylabel (place_x == 0 ? named(panel_h > 250 ? 'memory of the fullest rank' : 'memory', unit, y_log) : '')
    if (y_tics > 0) {
        set ytics ()
        set for [i = 1:y_tics] ytics add ((place_x == 0 ? sprintf('%g', y_tic[i]) : '') y_tic[i])
    } else {
        set format y (place_x == 0 ? '%g' : '')
    }
    # Dashed over all sizes, and full over it where both ends were measured.
    plot for [i = 1:curves] $points index (p - 1) * curves + i - 1 using (moved($1, $7, panel_px)):2 with lines lw 1.4 lc rgb shade(family[i], variant[i]) dt 2, \
         for [i = 1:curves] $points index (p - 1) * curves + i - 1 using (moved($1, $7, panel_px)):($5 > 0 ? $2 : NaN) with lines @curve_line, \
         for [i = 1:curves] $points index (p - 1) * curves + i - 1 using (moved($1, $7, panel_px)):($5 > 0 ? $2 : NaN) with points @curve_point, \
         for [i = 1:curves] $points index (p - 1) * curves + i - 1 using (moved($1, $7, panel_px)):($5 > 0 ? NaN : $2) with points lw 1.2 lc rgb shade(family[i], variant[i]) pt hollow_of(family[i], variant[i]) ps mark, \
         (limit > 0 ? limit : NaN) with lines lw 1.4 lc rgb ink dt 3
    unset label
    unset arrow
}
unset multiplot
