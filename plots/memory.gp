# SPDX-License-Identifier: Apache-2.0
# Memory of the rank that has most, split by purpose, the libraries' share among it; the plan's prediction, which leaves that out,
# as a mark.

# Not the families' colours: these are purposes, not strategies.
array part_label[5] = ['weights', 'activations', 'key store', 'buffers', 'libraries']
array part_colour[5] = ['#33517a', '#5b8fc7', '#9c8f1c', '#7d8794', '#8f6a8f']
parts = libraries > 0 ? 5 : 4
has_undivided = exists("undivided") && undivided > 0 # of peers nothing but the sum is known

bar_high = 22
entries = parts + 1 + has_undivided
entry_letters = 20
eval bar_layout
eval open_chart(width, height)
eval bar_frame
if (above) {
    do for [i = 1:bars] { set label 200 + i @bar_label_above }
} else {
    do for [i = 1:bars] { set label 200 + i @bar_label_left }
}
do for [i = 1:headings] { set label 500 + i @bar_heading }
set xrange [0 : x_high]
set xlabel 'memory of the fullest rank (MB)'

do for [k = 1:parts] {
    set object k @entry_box fillcolor rgb part_colour[k] fillstyle solid noborder
    set label 1000 + k part_label[k] @entry_text
}
k = parts + 1
set label 1000 + k parts == 5 ? 'plan, no libraries' : 'by the plan' @entry_text
set label 1200 + k '' @entry_mark pt 12 ps mark lw 1.6 lc rgb ink

if (has_undivided) {
    k = entries
    set object k @entry_box fillstyle empty border rgb faint lw 1.2
    set label 1000 + k 'peer, undivided' @entry_text
}

from(k) = k == 1 ? 0 : sum [j = 2:k] column(j)

purposes = "for [k = 1:parts] $memory using (from(k)):1:(from(k)):(from(k + 1)):(bar_top($1)):(bar_end($1)) with boxxyerror fill solid 1.0 noborder lc rgb part_colour[k]"
numbers = "$memory using (most($7, $8)):(bar_middle($1)):(amount[int($0 + 1)]) with labels left offset character 1.0, 0 font small_font textcolor rgb ink"
plan = "with points pt 12 ps mark lw 1.6 lc rgb ink"
if (has_undivided) {
    plot @purposes, \
         $memory using (0):1:(0):9:(bar_top($1)):(bar_end($1)) with boxxyerror fill empty lw 1.2 lc rgb faint, \
         $memory using ($9 > 0 ? NaN : $8):(bar_middle($1)) @plan, \
         @numbers
} else {
    plot @purposes, \
         $memory using 8:(bar_middle($1)) @plan, \
         @numbers
}
