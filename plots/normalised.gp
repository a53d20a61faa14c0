# SPDX-License-Identifier: Apache-2.0
# A published figure and ours, each over its own single GPU. figure.gp is the same in seconds or gigabytes.

entries = 2
entry_letters = 12
bar_high = bars <= 20 ? 24 : 19
eval bar_layout
eval open_chart(width, height)
eval bar_frame
if (above) {
    do for [i = 1:bars] { set label 200 + i @bar_label_above }
} else {
    do for [i = 1:bars] { set label 200 + i @bar_label_left }
}
x_every = wanted_px > 0 && x_tics > 6 ? 2 : 1
eval x_axis
set xlabel x_title.(x_log ? ' (logarithmic)' : '')

their_colour = '#1a1a1a'
our_colour = '#b3003c'
k = 1
set label 1001 'published' @entry_text
set label 1201 '' @entry_mark pt 6 ps 1.5 * mark lw 1.4 lc rgb their_colour
k = 2
set label 1002 'ours' @entry_text
set label 1202 '' @entry_mark pt 7 ps 1.1 * mark lc rgb our_colour

middle(y) = above ? bar_middle(y) + 0.1 : y
plot $published using 2:(middle($1)):3:4 with xerrorbars lw 1.2 lc rgb their_colour pt 6 ps 1.5 * mark, \
     $ours using 2:(middle($1)):3:4 with xerrorbars lw 1.2 lc rgb our_colour pt 7 ps 1.1 * mark
