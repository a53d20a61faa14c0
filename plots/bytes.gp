# SPDX-License-Identifier: Apache-2.0
# Bytes on the wire in one loop, all ranks together: upper bar counted, lower bar by the closed form, split by axis.
# They must coincide.

bar_high = 26
entries = axes + 2
entry_letters = 16
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
set xlabel 'sent on the wire in one loop (MB)'

do for [k = 1:axes] {
    set object k @entry_box fillcolor rgb colour(axis[k]) fillstyle solid noborder
    set label 1000 + k axis[k] @entry_text
}
k = axes + 1
set object k @entry_box fillcolor rgb faint fillstyle solid noborder
set label 1000 + k 'upper: counted' @entry_text
k = axes + 2
set object k @entry_box fillstyle empty border rgb faint lw 1.2
set label 1000 + k 'lower: closed form' @entry_text

plot $counted using 2:1:2:3:(bar_top($1)):(bar_middle($1) - 0.03):(rgb(axis[int($4)])) with boxxyerror fill solid 1.0 noborder lc rgb variable, \
     $predicted using 2:1:2:3:(bar_middle($1) + 0.03):(bar_end($1)):(rgb(axis[int($4)])) with boxxyerror fill empty lw 1.2 lc rgb variable, \
     $totals using 2:(bar_middle($1)):(amount[int($0 + 1)]) with labels left offset character 0.8, 0 font small_font textcolor rgb ink
