# SPDX-License-Identifier: Apache-2.0
# The timeline of one step: a band for each rank, from top to bottom: numbers of patches, what it computes (or why it does not),
# a second stream that computes meanwhile, and its messages, a line for each axis.

# ---- heights in pixels: fewer for each rank where there are many ----
main_px   = ranks <= 4 ? 24 : ranks <= 8 ? 18 : ranks <= 16 ? 13 : 9
thin_px   = ranks <= 8 ? 6 : 4
number_px = patches > 0 ? 14 : 0
lines_px  = (thin_px + 2) * (second + axes)
gap_px    = ranks <= 16 ? 12 : 7
band_px   = number_px + main_px + lines_px + gap_px
plot_h    = ranks * band_px + 2

band_y(r)    = 2 + r * band_px
number_y(r)  = band_y(r) + 6
bracket_y(r) = band_y(r) + number_px - 1.5
main_y(r)    = band_y(r) + number_px + 0.5 * main_px
line_y(r, l) = band_y(r) + number_px + main_px + 2 + (thin_px + 2) * l + 0.5 * thin_px
lane_y(r, l) = l == 0 ? main_y(r) : line_y(r, 0)
axis_y(r, a) = line_y(r, second + a)
band_end(r)  = band_y(r) + number_px + main_px + lines_px

# ---- the legend: what there is ----
array entry_name[40]
array entry_colour[40]
array entry_how[40]
entries = 0
array boxes[4] = [boxes_of_attention, boxes_of_product, boxes_of_rows, boxes_of_other]
do for [k = 1:4] {
    if (boxes[k] > 0) { entries = entries + 1; entry_name[entries] = part_of(kind_names, k); entry_colour[entries] = word(kind_colours, k); entry_how[entries] = 'box' }
}
array pauses[3] = [boxes_of_exposed, boxes_of_bubble, boxes_of_wait]
do for [k = 1:3] {
    if (pauses[k] > 0) { entries = entries + 1; entry_name[entries] = part_of(share_names, k + 1); entry_colour[entries] = word(share_colours, k + 1); entry_how[entries] = k == 2 ? 'hatch' : 'box' }
}
do for [k = 1:axes] {
    entries = entries + 1; entry_name[entries] = 'messages: '.axis[k]; entry_colour[entries] = colour(axis[k]); entry_how[entries] = 'line'
}

# ---- frame ----
line_ends = 'butt'
left_px = 62
is_beside = 0
width = wanted_px == 0 ? left_px + plot_px + 22 : wanted_px
legend_columns(px) = most(1, int((width - 16) / px))
below_px = 54 + legend_h(entries)
height = head_px + plot_h + below_px + notes_px
eval open_chart(width, height)
set lmargin at screen left_px / real(width)
set rmargin at screen (left_px + plot_px) / real(width)
set tmargin at screen 1 - head_px / real(height)
set bmargin at screen (notes_px + below_px) / real(height)
set border 1
unset ytics
set grid xtics noytics lt 1 lw 0.8 lc rgb grid
set xrange [0 : x_high]
set yrange [plot_h : 0]
x_step = real(x_high) * 75 / most(75, plot_px)
x_unit = 10.0 ** floor(log10(x_step))
set xtics x_unit * (x_step / x_unit <= 1 ? 1 : x_step / x_unit <= 2 ? 2 : x_step / x_unit <= 5 ? 5 : 10)
set xlabel 'time since the begin of the step (ms)'

named_every = 1 + int(12 / band_px)
do for [r = 0:ranks - 1] {
    if (r % named_every == 0) { set label 200 + r 'rank '.r at screen (left_px - 8.0) / width, first main_y(r) right textcolor rgb ink }
}
legend_left = 16
legend_top = head_px + plot_h + 50
do for [k = 1:entries] {
    set label 1000 + k entry_name[k] at screen sx(entry_x(k) + 38), sy(entry_y(k)) left textcolor rgb ink
    if (entry_how[k] eq 'box') { set object k @entry_box fillcolor rgb entry_colour[k] fillstyle solid noborder }
    if (entry_how[k] eq 'hatch') { set object k @entry_box fillcolor rgb entry_colour[k] fillstyle pattern hatch noborder }
    if (entry_how[k] eq 'line') { set object k rect from screen sx(entry_x(k)), sy(entry_y(k) - 0.5 * thin_px) to screen sx(entry_x(k) + 30), sy(entry_y(k) + 0.5 * thin_px) fillcolor rgb entry_colour[k] fillstyle solid noborder }
}

# Boxes are thick lines, which take a quarter of the room of polygons in an SVG. A PDF's line is thinner by this.
thick = format eq 'pdf' ? 1.5 : 1.0
k_px(l) = l == 0 ? main_px : thin_px
of_lane = "using ($2 == l ? $3 : NaN):(lane_y($1, l)):($4 - $3):(0) with vectors nohead lw thick * k_px(l) lc rgb"

axis_colour(a) = a < axes ? colour(axis[a + 1]) : ink

# Numbers stand on a ground of their own, above the arrows that come from the band over them.
number_mid(from, to) = 0.5 * (from + to)
number_half(n) = (1.5 + 3.5 * strlen(sprintf('%d', n))) * x_high / real(plot_px)

plot $exposed using 2:(main_y($1)):($3 - $2):(0) with vectors nohead lw thick * main_px lc rgb word(share_colours, 2), \
     $wait using 2:(main_y($1)):($3 - $2):(0) with vectors nohead lw thick * main_px lc rgb word(share_colours, 4), \
     $bubble using 2:(main_y($1)):2:3:(main_y($1) - 0.5 * main_px):(main_y($1) + 0.5 * main_px) with boxxyerror fill pattern hatch noborder lc rgb word(share_colours, 3), \
     for [l = 0:1] $attention @of_lane word(kind_colours, 1), \
     for [l = 0:1] $product @of_lane word(kind_colours, 2), \
     for [l = 0:1] $rows @of_lane word(kind_colours, 3), \
     for [l = 0:1] $other @of_lane word(kind_colours, 4), \
     for [a = 0:axes - 1] $messages using ($2 == a ? $3 : NaN):(axis_y($1, a)):($4 - $3):(0) with vectors nohead lw thick * thin_px lc rgb axis_colour(a), \
     $patches using 2:(bracket_y($1)):($3 - $2):(0) with vectors nohead lw thick * 1.2 lc rgb ink, \
     $steps using (steps_differ ? 0 : NaN):(band_y($1)):(0):2:(band_y($1)):(band_end($1)) with boxxyerror fill transparent solid 0.6 noborder lc rgb '#ffffff', \
     $steps using (steps_differ ? $3 : NaN):(band_y($1)):3:(x_high):(band_y($1)):(band_end($1)) with boxxyerror fill transparent solid 0.6 noborder lc rgb '#ffffff', \
     $arrows using 4:(axis_y($1, $3)):($5 - $4):(axis_y($2, $3) - axis_y($1, $3)) with vectors head filled size screen 5.0 / width, 18 lw thick * 0.8 lc rgb ink, \
     $steps using (steps_differ && $2 > 0 ? $2 : NaN):(band_y($1)):(0):(band_end($1) - band_y($1)) with vectors nohead lw thick * 1 dt 2 lc rgb ink, \
     $steps using (steps_differ && $3 < x_high ? $3 : NaN):(band_y($1)):(0):(band_end($1) - band_y($1)) with vectors nohead lw thick * 1 dt 2 lc rgb ink, \
     $patches using (number_mid($2, $3)):(number_y($1)):(number_mid($2, $3) - number_half($4)):(number_mid($2, $3) + number_half($4)):(number_y($1) - 6):(number_y($1) + 5) with boxxyerror fill solid 1.0 noborder lc rgb '#ffffff', \
     $patches using (number_mid($2, $3)):(number_y($1)):4 with labels center font small_font textcolor rgb ink
