# SPDX-License-Identifier: Apache-2.0
# Where the time of a step goes: a stacked bar for each rank, or for each profile; the number at a bar is the whole step.

entries = 0
array entry_share[6]
do for [k = 1:6] {
    if (present[k]) { entries = entries + 1; entry_share[entries] = k }
}

bar_high = bars <= 16 ? 26 : 20
entry_letters = 24
eval bar_layout
eval open_chart(width, height)
eval bar_frame
if (above) {
    do for [i = 1:bars] { set label 200 + i @bar_label_above }
} else {
    do for [i = 1:bars] { set label 200 + i @bar_label_left }
}
set xrange [0 : x_high]
set xlabel 'time of a step (ms)'

hatched(k) = k == 3
do for [k = 1:entries] {
    if (hatched(entry_share[k])) {
        set object k @entry_box fillcolor rgb word(share_colours, entry_share[k]) fillstyle pattern hatch noborder
    } else {
        set object k @entry_box fillcolor rgb word(share_colours, entry_share[k]) fillstyle solid noborder
    }
    set label 1000 + k part_of(share_names, entry_share[k]) at screen sx(entry_x(k) + 38), sy(entry_y(k)) left textcolor rgb ink
}

from(k) = k == 1 ? 0 : sum [j = 2:k] column(j)

plot for [k = 1:6] $step using (hatched(k) ? NaN : from(k)):1:(from(k)):(from(k + 1)):(bar_top($1)):(bar_end($1)) with boxxyerror fill solid 1.0 noborder lc rgb word(share_colours, k), \
     $step using (from(3)):1:(from(3)):(from(4)):(bar_top($1)):(bar_end($1)) with boxxyerror fill pattern hatch noborder lc rgb word(share_colours, 3), \
     $step using (from(7)):(bar_middle($1)):(amount[int($0 + 1)]) with labels left offset character 0.8, 0 font small_font textcolor rgb ink
