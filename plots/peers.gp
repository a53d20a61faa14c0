# SPDX-License-Identifier: Apache-2.0
# A denoising step of ditbench and of other programs: medians as bars, from p10 to p90 as a line.

# Not the families' colours: these are programs, not strategies.
program_colours = '#33517a #b5860f #808b99 #a0576b #5b8fc7 #7a8450 #8f6a8f #606060'

bar_high = 24
entries = programs
entry_letters = 18
number_px = 150
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
set xlabel 'one denoising step (ms)'

do for [k = 1:programs] {
    set object k @entry_box fillcolor rgb turn(program_colours, k) fillstyle solid noborder
    set label 1000 + k program[k] @entry_text
}

plot $steps using (0):1:(0):2:(bar_top($1)):(bar_end($1)):(number(turn(program_colours, int($5)))) with boxxyerror fill solid 1.0 noborder lc rgb variable, \
     $steps using 2:(bar_middle($1)):3:4 with xerrorbars pt 0 lw 1.4 lc rgb ink, \
     $steps using 4:(bar_middle($1)):(amount[int($0 + 1)]) with labels left offset character 0.8, 0 font small_font textcolor rgb ink
