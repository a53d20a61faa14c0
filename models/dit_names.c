/* SPDX-License-Identifier: Apache-2.0 */
/* Names of a checkpoint's parameters as diffusers gives them, family by family. No shapes: those
 * stand in the header. */
#include "models/dit_names.h"

#define QKV_OUT  .q = "to_q", .k = "to_k", .v = "to_v", .out = "to_out.0"
#define QK_NORMS .q_norm = "norm_q", .k_norm = "norm_k"
#define PLAIN(attn)                                                                                \
    {                                                                                              \
        .name = (attn), QKV_OUT                                                                    \
    }
#define NORMED(attn)                                                                               \
    {                                                                                              \
        .name = (attn), QKV_OUT, QK_NORMS                                                          \
    }
#define MLP .mlp_in = "ff.net.0.proj", .mlp_out = "ff.net.2"

#define JOINT                                                                                      \
    .attention = {.name = "attn",                                                                  \
                  QKV_OUT,                                                                         \
                  QK_NORMS,                                                                        \
                  .add_q = "add_q_proj",                                                           \
                  .add_k = "add_k_proj",                                                           \
                  .add_v = "add_v_proj",                                                           \
                  .add_out = "to_add_out",                                                         \
                  .add_q_norm = "norm_added_q",                                                    \
                  .add_k_norm = "norm_added_k"},                                                   \
    MLP, .text_mlp_in = "ff_context.net.0.proj", .text_mlp_out = "ff_context.net.2",               \
    .mod = "norm1.linear", .text_mod = "norm1_context.linear"

/* Images, and videos with blocks over time. */
static const struct dit_names pixart = {
    .embed = "pos_embed.proj",
    .time = "adaln_single.emb.timestep_embedder",
    .resolution = "adaln_single.emb.resolution_embedder",
    .aspect = "adaln_single.emb.aspect_ratio_embedder",
    .mod = "adaln_single.linear",
    .text_mlp = "caption_projection",
    .of = {[DIT_SEQUENTIAL] = {.block = "transformer_blocks.%d",
                               .attention = PLAIN("attn1"),
                               .second = PLAIN("attn2"),
                               MLP,
                               .table = "scale_shift_table"},
           [DIT_TEMPORAL] = {.block = "temporal_transformer_blocks.%d",
                             .attention = PLAIN("attn1"),
                             MLP,
                             .table = "scale_shift_table"}},
    .head = "proj_out",
    .head_table = "scale_shift_table",
    .inert = {"pos_embed.pos_embed", "caption_projection.y_embedding"},
};

static const struct dit_names dit = {
    .embed = "pos_embed.proj",
    .of = {[DIT_SEQUENTIAL] = {.block = "transformer_blocks.%d",
                               .attention = PLAIN("attn1"),
                               MLP,
                               .mod = "norm1.linear",
                               .time = "norm1.emb.timestep_embedder",
                               .labels = "norm1.emb.class_embedder.embedding_table.weight"}},
    .head = "proj_out_2",
    .head_mod = "proj_out_1",
    .inert = {"pos_embed.pos_embed"},
};

static const struct dit_names sd3 = {
    .embed = "pos_embed.proj",
    .positions = "pos_embed.pos_embed",
    .time = "time_text_embed.timestep_embedder",
    .pooled = "time_text_embed.text_embedder",
    .text = "context_embedder",
    .of = {[DIT_JOINT] = {.block = "transformer_blocks.%d", JOINT, .second = NORMED("attn2")}},
    .head = "proj_out",
    .head_mod = "norm_out.linear",
    .head_scale_first = true,
};

static const struct dit_names flux = {
    .embed = "x_embedder",
    .time = "time_text_embed.timestep_embedder",
    .guidance = "time_text_embed.guidance_embedder",
    .pooled = "time_text_embed.text_embedder",
    .text = "context_embedder",
    .of = {[DIT_JOINT] = {.block = "transformer_blocks.%d", JOINT},
           [DIT_PARALLEL] =
               {.block = "single_transformer_blocks.%d",
                .attention = {.name = "attn", .q = "to_q", .k = "to_k", .v = "to_v", QK_NORMS},
                .mlp_in = "proj_mlp",
                .joined_out = "proj_out",
                .mod = "norm.linear"}},
    .head = "proj_out",
    .head_mod = "norm_out.linear",
    .head_scale_first = true,
};

static const struct dit_names hunyuan = {
    .embed = "pos_embed.proj",
    .time = "time_extra_emb.timestep_embedder",
    .pooled = "time_extra_emb.extra_embedder",
    .text2_mlp = "text_embedder",
    .text_padding = "text_embedding_padding",
    .pool_positions = "time_extra_emb.pooler.positional_embedding",
    .pool_q = "time_extra_emb.pooler.q_proj",
    .pool_k = "time_extra_emb.pooler.k_proj",
    .pool_v = "time_extra_emb.pooler.v_proj",
    .pool_out = "time_extra_emb.pooler.c_proj",
    .of = {[DIT_SEQUENTIAL] = {.block = "blocks.%d",
                               .attention = NORMED("attn1"),
                               .second = NORMED("attn2"),
                               MLP,
                               .mod = "norm1.linear",
                               .norm_attn = "norm1.norm",
                               .norm_cross = "norm2",
                               .norm_mlp = "norm3",
                               .skip_norm = "skip_norm",
                               .skip = "skip_linear"}},
    .head = "proj_out",
    .head_mod = "norm_out.linear",
    .head_scale_first = true,
};

const struct dit_names *dit_names_of(enum dit_naming naming)
{
    static const struct dit_names *const table[] = {
        [DIT_NAMES_PIXART] = &pixart, [DIT_NAMES_DIT] = &dit,         [DIT_NAMES_SD3] = &sd3,
        [DIT_NAMES_FLUX] = &flux,     [DIT_NAMES_HUNYUAN] = &hunyuan,
    };
    BUG_ON((unsigned)naming >= sizeof(table) / sizeof(table[0]), "naming %d", (int)naming);
    return table[naming];
}
