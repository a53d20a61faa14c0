# SPDX-License-Identifier: Apache-2.0
# What all charts share: palette, fonts, frame, layout. gnuplot reads a chart's data, then this file, then the chart's template.
# `ditbench plot` reads these files each time it draws, so edit freely. For gnuplot 5.4 and later.

if (!exists("format")) format = 'svg'

# ---- palette: one colour and one symbol a family, told apart by colour-blind readers too ----
# (after Okabe and Ito, "Color Universal Design", 2008, darkened until each has a contrast of 3 with white, as a test asks)
families = 'serial  cfg     data    distrifusion pipefusion allgather ring    tensor  ulysses usp     hybrid'
colours  = '#6e6e6e #009e73 #8f7a00 #c2609a      #d55e00    #6a51a3   #2e96d9 #c27d00 #00568f #882255 #1a1a1a'
symbols  = '7       13      11      9            5          15        11      5       7       9       2'
# A family that is not listed takes one of these by the letters of its name, the same in all charts.
spare_colours = '#332288 #2a8c7c #7d7d26 #aa4499 #117733'
spare_symbols = '5 7 9 11 13'

family_place(f) = strstrt(' '.families.' ', ' '.f.' ')
family_index(f) = family_place(f) ? words((' '.families)[1:family_place(f)]) + 1 : 0
spare(f)  = 1 + int(sum [k = 1:strlen(f)] strstrt('abcdefghijklmnopqrstuvwxyz', f[k:k])) % words(spare_colours)
colour(f) = family_index(f) ? word(colours, family_index(f)) : word(spare_colours, spare(f))
symbol(f) = int(family_index(f) ? word(symbols, family_index(f)) : word(spare_symbols, spare(f)))
number(c) = int('0x'.c[2:7])
rgb(f)    = number(colour(f))

# Curves of one family that differ in options (variant 1, 2, ...) get other dashes and darker shades of its colour; combinations
# that are drawn each (`--strategies`) have too many variants for that and take these in turn.
turn_colours = '#1a1a1a #b3003c #00796b #5e35b1 #a15c00 #1565c0 #9c27b0 #4e6b00'
turn_symbols = '2 7 5 9 11 13 15 3'
turn(list, v) = word(list, (v - 1) % words(list) + 1)
dark_by(v)  = 0.22 * ((v - 1) % 4)
mix(c, by)  = int(c * (1 - by))
shade(f, v) = f eq 'hybrid' ? number(turn(turn_colours, v)) : \
    65536 * mix(rgb(f) / 65536, dark_by(v)) + 256 * mix(rgb(f) / 256 % 256, dark_by(v)) + mix(rgb(f) % 256, dark_by(v))
dash(f, v)  = f eq 'hybrid' ? (v == 1 ? 2 : 1 + (v - 1) / words(turn_colours) % 4) : \
    v % 4 == 1 ? 1 : v % 4 == 2 ? 4 : v % 4 == 3 ? 3 : 5

# Published curves (hollow 1) are hollow, thin and dotted, those of peers (2) hollow and dashed.
# From a family's fifth variant on shades and dashes come again, with other symbols.
filled(f, v)    = f eq 'hybrid' ? int(turn(turn_symbols, v)) : v > 4 ? int(turn(turn_symbols, 1 + (v - 1) / 4)) : symbol(f)
mark_of(f, v, h) = !h ? filled(f, v) : symbol(f) > 3 ? symbol(f) - 1 : 14
dash_of(f, v, h) = h == 2 ? (v == 1 ? 2 : v == 2 ? 5 : 4) : h ? 3 : dash(f, v)

# The terminals have other ideas of a symbol's size and a line's height.
mark      = format eq 'svg' ? 0.6 : format eq 'png' ? 0.9 : 0.7

# How curve i is drawn, for @ in a plot command.
curve_line   = "lw (hollow[i] == 2 ? 1.6 : hollow[i] ? 1.2 : 2) lc rgb shade(family[i], variant[i]) dt dash_of(family[i], variant[i], hollow[i])"
curve_symbol = "pt mark_of(family[i], variant[i], hollow[i]) ps mark"
curve_point  = "lw 1.2 lc rgb shade(family[i], variant[i]) ".curve_symbol
noisy_point  = "pt 6 ps 2.4 * mark lw 1.3 lc rgb ink"

ink   = '#202020'
faint = '#6e6e6e'
grid  = '#e3e3e3'

# ---- frame: title, setting and machine above the picture, notes below ----
line_px = 17
title_px = 21
head_px = 30 + title_px * title_lines + line_px * head_lines
notes_px = notes > 0 ? 8 + line_px * notes : 0

set encoding utf8
set border 3 lw 1 lc rgb faint
set tics nomirror out scale 0.6 textcolor rgb ink
set grid noxtics ytics lt 1 lw 0.8 lc rgb grid
set xlabel textcolor rgb ink offset 0, (format eq 'svg' ? 0.35 : 0)
set ylabel textcolor rgb ink offset (format eq 'svg' ? 1.2 : 0), 0
unset key

line_ends = 'rounded'
# A canvas of w x h pixels of 1/96 inch. A PNG has twice as many each way; a PDF has whole points.
points(px) = (int(0.75 * px + 0.5) + 0.01) / 72
canvas(w, h) = format eq 'png' \
    ? sprintf("set terminal pngcairo noenhanced font 'DejaVu Sans,9' background '#ffffff' ".line_ends." size %d,%d fontscale 2 linewidth 2 pointscale 2 dashlength 0.6", 2 * w, 2 * h) \
    : format eq 'pdf' \
    ? sprintf("set terminal pdfcairo noenhanced font 'DejaVu Sans,9' background '#ffffff' ".line_ends." size %.5fin,%.5fin fontscale 0.75 linewidth 1 dashlength 1.2", points(w), points(h)) \
    : sprintf("set terminal svg noenhanced font 'sans-serif,12' background '#ffffff' ".line_ends." size %d,%d", w, h)
title_font = format eq 'svg' ? 'sans-serif Bold,15' : 'DejaVu Sans:Bold,11.5'
small_font = format eq 'svg' ? 'sans-serif,11' : 'DejaVu Sans,8.25'

# Opens the output and writes the frame. Call as `eval open_chart(width, height)`; texts are labels 1 to 199.
open_chart(w, h) = frame(int(w + 0.5), int(h + 0.5))
frame(w, h) = canvas(w, h).'; set output name.".".format; '. \
    'do for [i = 1:title_lines] { set label i title_line[i] at screen 16.0 / '.w.', screen 1 - (22.0 + title_px * (i - 1)) / '.h.' left font title_font textcolor rgb ink }; '. \
    'do for [i = 1:head_lines] { set label 20 + i head_line[i] at screen 16.0 / '.w.', screen 1 - (22.0 + title_px * title_lines + line_px * (i - 1)) / '.h.' left font small_font textcolor rgb faint }; '. \
    'do for [i = 1:notes] { set label 40 + i note[i] at screen 16.0 / '.w.', screen (notes_px - line_px * (i - 1) - 4.0) / '.h.' left font small_font textcolor rgb faint }'

# ---- layout: where the legend goes. Beside the picture, unless the width that is wanted leaves that less than `least` pixels ----
legend_px = 70 + 7.4 * columns
legend_line = 18.5
beside(left, least) = wanted_px == 0 || wanted_px - left - legend_px >= least
legend_columns(px) = most(1, int((wanted_px - 16) / px))
legend_rows(entries) = is_beside ? entries : (entries + legend_columns(legend_px) - 1) / legend_columns(legend_px)
legend_h(entries) = is_beside ? 0 : legend_line * legend_rows(entries) + 8
most(x, y) = x > y ? x : y
least(x, y) = x < y ? x : y

# Entry k of `entries`, from (legend_left, legend_top) down: a line with its symbol, a symbol, or a box, and a text.
entry_x(k) = legend_left + legend_px * ((k - 1) / legend_rows(entries))
entry_y(k) = legend_top + 9 + legend_line * ((k - 1) % legend_rows(entries))
sx(px) = px / real(width)
sy(px) = 1 - px / real(height)
entry_text = "at screen sx(entry_x(k) + 50), sy(entry_y(k)) left textcolor rgb ink"
entry_mark = "at screen sx(entry_x(k) + 21), sy(entry_y(k)) point"
entry_line = "from screen sx(entry_x(k)), sy(entry_y(k)) to screen sx(entry_x(k) + 42), sy(entry_y(k)) nohead"
entry_box  = "rect from screen sx(entry_x(k)), sy(entry_y(k) - 5) to screen sx(entry_x(k) + 30), sy(entry_y(k) + 5)"
curve_entry = "set arrow 1000 + k @entry_line @curve_line; set label 1000 + k label[i] @entry_text; set label 1200 + k '' @entry_mark @curve_point"
noisy_entry = "set label 1000 + k 'noisy' @entry_text; set label 1200 + k '' @entry_mark @noisy_point"

# ---- axes: the numbers x_log, x_low, ... that the data holds ----
x_every = 1 # of so many ticks one is shown
x_axis = "if (x_log) { set logscale x 2 }; set xrange [x_low : x_high]; if (x_tics > 0) { set xtics (); set for [i = 1:x_tics:x_every] xtics add (sprintf('%g', x_tic[i]) x_tic[i]) }"
y_axis = "if (y_log) { set logscale y 10 }; set yrange [y_low : y_high]; if (y_tics > 0) { set ytics (); set for [i = 1:y_tics] ytics add (sprintf('%g', y_tic[i]) y_tic[i]) }"
named(text, unit, logarithmic) = unit eq '' && !logarithmic ? text : \
    text.' ('.unit.(unit ne '' && logarithmic ? ', ' : '').(logarithmic ? 'logarithmic' : '').')'

# Points of one x that would cover each other stand side by side: the data holds how many places each moves. A place is at most
# 7 pixels, px being the width of the axis, and less where rank counts or the frame are near.
x_span = "(x_log ? log(x_high / x_low) / log(2) : x_high - x_low)"
x_room = "(x_log ? log(x_tic[1] / x_low) / log(2) : x_tic[1] - x_low)"
step(px) = places > 0 ? least(7 * @x_span / px, least(0.45 * x_gap / places, 0.9 * @x_room / places)) : 0
moved(x, by, px) = by == 0 ? x : x_log ? x * 2 ** (by * step(px)) : x + by * step(px)

# ---- profiles: kinds of operation, and what a rank's time goes into; not the families' colours ----
kind_colours  = '#26456e #5b8fc7 #9c8f1c #8f6a8f'
kind_names    = 'attention|products|norms, element-wise|other operations|'
share_colours = '#3f6ea5 #efb73e #606060 #b9b9b9 #dcdcdc #8f6a8f'
share_names   = 'compute|exposed communication|bubble|wait|gaps|other|'
hatch = 4
part_of(list, k) = k == 1 ? list[1:strstrt(list, '|') - 1] : part_of(list[strstrt(list, '|') + 1:*], k - 1)

# ---- bars: their layout and what stands around them. They want bar_high (pixels a bar), entries and entry_letters of the legend ----
# Where strategies would leave the bars no room, they stand above them.
number_px = 90
bar_layout = "legend_px = 70 + 7.4 * entry_letters; label_px = 24 + 7.2 * most(columns, 12); \
    above = wanted_px > 0 && wanted_px - label_px - number_px - 16 < 160; \
    label_px = above ? 26 : label_px; bar_px = above ? bar_high + 14 : bar_high; \
    is_beside = !above && beside(label_px + number_px, 200); \
    plot_px = wanted_px == 0 ? 520 : most(60, wanted_px - label_px - number_px - (is_beside ? legend_px : 16)); \
    rows = most(height_rows + 1, is_beside ? legend_line * entries / bar_px : 0); \
    below_px = 58 + legend_h(entries); \
    width = wanted_px == 0 ? label_px + plot_px + number_px + legend_px : wanted_px; \
    height = head_px + bar_px * rows + below_px + notes_px; \
    legend_left = is_beside ? label_px + plot_px + number_px + 10 : 16; \
    legend_top = is_beside ? head_px : height - notes_px - below_px + 58"
bar_frame = "set lmargin at screen label_px / width; set rmargin at screen (label_px + plot_px) / width; \
    set tmargin at screen 1 - real(head_px) / height; set bmargin at screen (notes_px + below_px) / real(height); \
    set yrange [rows : 0.4]; set grid xtics noytics lt 1 lw 0.8 lc rgb grid; set border 1; unset ytics; eval bar_tics"
# On a chart of a wanted width: so many numbers below the axis as stand beside each other, 1, 2 or 5 times a power of ten apart.
bar_tics = "if (wanted_px > 0 && x_high > 0) { \
    tic_least = 1.0 * x_high / most(2, int(plot_px / (7.0 * strlen(sprintf('%.0f', x_high)) + 14))); \
    tic_unit = 10.0 ** floor(log10(tic_least)); \
    set xtics tic_unit * (tic_least <= tic_unit ? 1 : tic_least <= 2 * tic_unit ? 2 : tic_least <= 5 * tic_unit ? 5 : 10) }"
bar_label_above = "bar[i] at graph 0, first bar_y[i] - 0.36 left offset character 0.2, 0 font small_font textcolor rgb ink"
bar_label_left = "bar[i] at graph 0, first bar_y[i] right offset character -0.8, 0 textcolor rgb ink"
bar_heading = "heading[i] at screen 16.0 / width, first heading_y[i] left font title_font textcolor rgb ink"
bar_top(y) = y - (above ? 0.12 : 0.34)
bar_end(y) = y + 0.34
bar_middle(y) = (bar_top(y) + bar_end(y)) / 2
