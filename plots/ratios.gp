# SPDX-License-Identifier: Apache-2.0
# Two results files: the ratio of each cell's latencies with its interval, and as a band what is less than the threshold.

verdict_names = 'slower|faster|same|ambiguous|'
verdict_colours = '#b3003c #00796b #6e6e6e #c27d00'
verdict_symbols = '9 11 7 6' # told apart without colours, too
verdict_symbol(v) = int(word(verdict_symbols, v))

entries = 0
array entry_verdict[4]
do for [k = 1:4] {
    if (present[k]) { entries = entries + 1; entry_verdict[entries] = k }
}

bar_high = bars <= 16 ? 26 : 20
entry_letters = 10
eval bar_layout
eval open_chart(width, height)
eval bar_frame
if (above) {
    do for [i = 1:bars] { set label 200 + i @bar_label_above }
} else {
    do for [i = 1:bars] { set label 200 + i @bar_label_left }
}
if (x_log) { set logscale x 2; set xtics add (1) }
set xrange [x_low : x_high]
set format x '%g'
set xlabel 'latency of B / latency of A'.(x_log ? ' (logarithmic)' : '')
set object 900 rect from band_low, graph 0 to band_high, graph 1 behind fillcolor rgb grid fillstyle solid noborder
set arrow 900 from 1, graph 0 to 1, graph 1 nohead back lw 1 lc rgb faint

do for [k = 1:entries] {
    set arrow 1000 + k from screen sx(entry_x(k) + 4), sy(entry_y(k)) to screen sx(entry_x(k) + 38), sy(entry_y(k)) nohead lw 2 lc rgb word(verdict_colours, entry_verdict[k])
    set label 1000 + k part_of(verdict_names, entry_verdict[k]) @entry_text
    set label 1200 + k '' @entry_mark pt verdict_symbol(entry_verdict[k]) ps 1.4 * mark lw 1.4 lc rgb word(verdict_colours, entry_verdict[k])
}

middle(y) = above ? bar_middle(y) + 0.1 : y
of(k, v) = v + 1 == k
plot for [k = 1:4] $ratios using (of(k, $5) ? $2 : NaN):(middle($1)):3:4 with xerrorbars lw 2 lc rgb word(verdict_colours, k) pt verdict_symbol(k) ps 1.4 * mark, \
     $ratios using (x_high):(middle($1)):(amount[int($0 + 1)]) with labels left offset character 0.8, 0 font small_font textcolor rgb ink
