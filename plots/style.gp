# SPDX-License-Identifier: Apache-2.0
# What all charts share: palette, fonts, frame. gnuplot reads a chart's data, then this file, then the chart's template.
# `ditbench plot` reads these files each time it draws, so edit freely. For gnuplot 5.4 and later.

if (!exists("format")) format = 'svg'

# ---- palette: one colour and one symbol a family, told apart by colour-blind readers too ----
# (Okabe and Ito, "Color Universal Design", 2008; yellow darkened, one of Paul Tol's added)
families = 'serial  cfg     data    distrifusion pipefusion ring    tensor  ulysses usp     hybrid'
colours  = '#6e6e6e #009e73 #b59b00 #cc79a7      #d55e00    #56b4e9 #e69f00 #0072b2 #882255 #1a1a1a'
symbols  = '7       13      11      9            5          6       4       7       8       2'
# A family that is not listed takes one of these by the letters of its name, the same in all charts.
spare_colours = '#332288 #44aa99 #999933 #aa4499 #117733'
spare_symbols = '12      3       1       10      6'

family_place(f) = strstrt(' '.families.' ', ' '.f.' ')
family_index(f) = family_place(f) ? words((' '.families)[1:family_place(f)]) + 1 : 0
spare(f)  = 1 + int(sum [k = 1:strlen(f)] strstrt('abcdefghijklmnopqrstuvwxyz', f[k:k])) % words(spare_colours)
colour(f) = family_index(f) ? word(colours, family_index(f)) : word(spare_colours, spare(f))
symbol(f) = int(family_index(f) ? word(symbols, family_index(f)) : word(spare_symbols, spare(f)))
rgb(f)    = int('0x'.colour(f)[2:7])

# Curves of one family that differ in options (variant 1, 2, ...) get other dashes and paler shades of its colour.
dash(f, v)  = f eq 'hybrid' ? 2 : v % 4 == 1 ? 1 : v % 4 == 2 ? 4 : v % 4 == 3 ? 3 : 5
pale_by(v)  = 0.22 * ((v - 1) % 4)
mix(c, by)  = int(c + (255 - c) * by)
shade(f, v) = 65536 * mix(rgb(f) / 65536, pale_by(v)) + 256 * mix(rgb(f) / 256 % 256, pale_by(v)) + mix(rgb(f) % 256, pale_by(v))

# The two terminals have other ideas of a symbol's size and a line's height.
mark      = format eq 'png' ? 0.9 : 0.75
key_lines = format eq 'png' ? 1.3 : 1.05

# How curve i is drawn, for @ in a plot command.
curve_line   = "lw 2 lc rgb shade(family[i], variant[i]) dt dash(family[i], variant[i])"
curve_symbol = "pt symbol(family[i]) ps mark"
curve_point  = "lw 1.2 lc rgb shade(family[i], variant[i]) ".curve_symbol

ink   = '#202020'
faint = '#6e6e6e'
pale  = '#e3e3e3'

# ---- frame: three lines above the picture, `notes` lines below ----
line_px = 17
head_px = 88
notes_px = notes > 0 ? 8 + line_px * notes : 0

set encoding utf8
set border 3 lw 1 lc rgb faint
set tics nomirror out scale 0.6 textcolor rgb ink
set grid noxtics ytics lt 1 lw 0.8 lc rgb pale
set xlabel textcolor rgb ink offset 0, (format eq 'png' ? 0 : 0.35)
set ylabel textcolor rgb ink offset (format eq 'png' ? 0 : 1.2), 0
set key textcolor rgb ink samplen 2.2 spacing key_lines Left reverse

# A canvas of w x h pixels of the SVG; a PNG has twice as many each way.
canvas(w, h) = format eq 'png' \
    ? sprintf("set terminal pngcairo noenhanced font 'DejaVu Sans,9' background '#ffffff' rounded size %d,%d fontscale 2 linewidth 2 pointscale 2", 2 * w, 2 * h) \
    : sprintf("set terminal svg noenhanced font 'sans-serif,12' background '#ffffff' rounded size %d,%d", w, h)
title_font = format eq 'png' ? 'DejaVu Sans:Bold,11.5' : 'sans-serif Bold,15'
small_font = format eq 'png' ? 'DejaVu Sans,8.25' : 'sans-serif,11'

# Opens the output and writes the frame. Call as `eval open_chart(width, height)`.
open_chart(w, h) = frame(int(w), int(h))
frame(w, h) = canvas(w, h).'; set output name.".".format; '. \
    'set label 1 title at screen 16.0 / '.w.', screen 1 - 22.0 / '.h.' left font title_font textcolor rgb ink; '. \
    'set label 2 subtitle at screen 16.0 / '.w.', screen 1 - 43.0 / '.h.' left font small_font textcolor rgb faint; '. \
    'set label 3 machine at screen 16.0 / '.w.', screen 1 - 60.0 / '.h.' left font small_font textcolor rgb faint; '. \
    'do for [i = 1:notes] { set label 10 + i note[i] at screen 16.0 / '.w.', screen (notes_px - line_px * (i - 1) - 4.0) / '.h.' left font small_font textcolor rgb faint }'
