// The rows of the section `model`.
#include "field_rows.h"

namespace ddpm::rows {

std::vector<Field> model_fields() {
  return {
      {FIELD(model, base_width), between(4, 8192), kFrozen,
       "Channels of the first convolution and of the sinusoidal time embedding"},
      {FIELD(model, width_multipliers), between(1, 64), kFrozen,
       "Channels of each level as multiples of base_width, full resolution first; each level but "
       "the last halves the image"},
      {FIELD(model, widths),
       {.minimum = 1, .maximum = 65536, .may_be_empty = true},
       kFrozen,
       "Channels of each level, for widths that are not multiples of base_width; empty: use "
       "width_multipliers"},
      {FIELD(model, compounding_widths), any(), kFrozen,
       "Multiply the width of the level before instead of base_width"},
      {FIELD(model, blocks_per_level), between(1, 16), kFrozen,
       "Residual blocks of a level on the way down, or a list with a number for each level; the "
       "way up has one more"},
      {FIELD(model, attention), any(), kFrozen,
       "Which levels have self-attention, full resolution first; the middle has "
       "model.middle_attention"},
      {FIELD(model, attention_up),
       {.may_be_empty = true},
       kFrozen,
       "Which levels have self-attention on the way up; empty: those of model.attention"},
      {CHOICE(model, attention_kind), kFrozen,
       "qkv: group norm and three projections; fused: one projection, no norm (labml)"},
      {FIELD(model, attention_head_width), between(0, 8192), kFrozen,
       "Channels of an attention head; 0: one head of all channels"},
      {FIELD(model, attention_heads), between(0, 1024), kFrozen,
       "Number of attention heads, or a list with a number for each level; 0: set by "
       "attention_head_width"},
      {FIELD(model, transformer_depth), between(0, 64), kFrozen,
       "Number of blocks of the transformer that takes the place of each attention block (Stable "
       "Diffusion), or a list with a number for each level; 0: attention blocks. model.attention "
       "says which levels have them"},
      {FIELD(model, middle_depth), between(0, 64), kFrozen,
       "The same for the middle; 0: that of the last level"},
      {FIELD(model, linear_projections), any(), kFrozen,
       "Store the projections before and after transformers as matrices, as Stable Diffusion 2 and "
       "XL do; false: as 1x1 convolutions. They compute the same"},
      {FIELD(model, cross_only),
       {.may_be_empty = true},
       kFrozen,
       "Levels whose transformers attend to the context twice and not to the image; empty: none"},
      {FIELD(model, context_width), between(0, 65536), kFrozen,
       "Channels of the tokens that transformers attend to, such as those of a text: 768 for Stable "
       "Diffusion 1; 0: there are no transformers"},
      {CHOICE(model, middle_attention), kFrozen,
       "Attention of the middle: with a group norm, without one (diffusers' scale_shift), or none"},
      {FIELD(model, middle), any(), kFrozen,
       "Two residual blocks, with attention between, at the lowest resolution"},
      {FIELD(model, middle_groups), between(0, 1024), kFrozen,
       "Groups of the norm of the middle's attention; 0: the same as model.groups"},
      {FIELD(model, middle_scale), above(0, 1e6), kFrozen,
       "The middle's blocks divide the sum of their input and result by this"},
      {CHOICE(model, downsample), kFrozen,
       "conv: a strided 3x3 convolution; resnet: a residual block that takes 2x2 means; or a list "
       "with one of them for each level but the last"},
      {CHOICE(model, downsample_padding), kFrozen,
       "Zeros around the strided convolution; asymmetric: right and bottom only (Ho)"},
      {CHOICE(model, upsample), kFrozen,
       "nearest: double, then a 3x3 convolution; transposed: a 4x4 transposed convolution; resnet: "
       "a residual block that doubles; or a list with one of them for each level but the last"},
      {CHOICE(model, width_change), kFrozen,
       "Where the width drops on the way up: first block of the next level, or last block of a "
       "level"},
      {CHOICE(model, time_embedding), kFrozen,
       "How the network is told the time: by sines and cosines, by a row of a table, or by sines "
       "and cosines of its logarithm at random frequencies, which has no timestep 0 and cannot be "
       "trained here"},
      {FIELD(model, time_table), between(0, kMaxTimesteps), kFrozen,
       "Rows of a learned time embedding, at least diffusion.timesteps"},
      {CHOICE(model, time_frequencies), kFrozen,
       "Divisor of the sinusoid's exponent: base_width/2 - 1 (Ho), or base_width/2"},
      {FIELD(model, time_scale), above(0, 1e6), kFrozen,
       "A timestep is multiplied by this before its sinusoid; 1000 / diffusion.timesteps is "
       "OpenAI's rescale_timesteps"},
      {CHOICE(model, time_order), kFrozen, "Order of the sinusoid's two halves"},
      {FIELD(model, time_width), between(0, 65536), kFrozen,
       "Channels of the time embedding; 0: 4 * base_width"},
      {FIELD(model, time_scale_shift), any(), kFrozen,
       "The time scales and shifts the result of a residual block's second norm, instead of being "
       "added before it"},
      {CHOICE(model, class_embedding), kFrozen,
       "What is added to the time embedding for a class: nothing; a row of a table; an embedding "
       "computed from the label as from a time; or a vector given by the user (ddpm denoise only)"},
      {FIELD(model, classes), between(0, 1e6), kFrozen,
       "Number of classes; labels are 0 to classes - 1"},
      {FIELD(model, null_class), any(), kFrozen,
       "Give the table of classes one more row, number `classes`, for images of no class; "
       "training.label_dropout trains it, and guidance needs it"},
      {FIELD(model, vector_width), between(0, 65536), kFrozen,
       "Numbers of a vector whose embedding is added to that of the time: 2816 for Stable Diffusion "
       "XL; 0: none"},
      {FIELD(model, vector_time_width), between(0, 8192), kFrozen,
       "The vector ends with the sinusoids of sizes (width and height, crop), each of so many "
       "numbers: 256 for Stable Diffusion XL; 0: it is given as it is"},
      {CHOICE(model, activation), kFrozen,
       "Nonlinearity of residual blocks; the layers of the time embedding and the output use SiLU"},
      {FIELD(model, center_input), any(), kFrozen, "Give the network 2x - 1 instead of x"},
      {FIELD(model, groups), between(1, 1024), kFrozen, "Groups of every group norm but the last"},
      {FIELD(model, final_groups), between(1, 1024), kFrozen,
       "Groups of the group norm before the output convolution"},
      {FIELD(model, norm_epsilon), above(0, 1), kFrozen,
       "Added to the variance in every group norm"},
      {FIELD(model, dropout), below(0, 1), kFrozen,
       "Probability of zeroing an element inside a residual block while training"},
      {FIELD(model, predicts_variance), any(), kFrozen,
       "The output has twice as many channels; the second half predicts the variance, for "
       "diffusion.variance learned_range (which can be trained) and learned"},
      {FIELD(model, in_channels), between(0, 1024), kFrozen,
       "Channels of the network's input; 0: those of the image. Further channels follow the image: "
       "9 are a latent of 4, a mask and a masked latent (inpainting with Stable Diffusion)"},
      {FIELD(model, out_channels), between(0, 1024), kFrozen,
       "Channels of the network's output; 0: those of the image, or twice as many with "
       "predicts_variance. With another number the network can be evaluated (ddpm denoise), not "
       "trained or sampled from"},
      {CHOICE(model, initialization), kFrozen,
       "ho: Xavier, the last layer of each block near zero; pytorch: PyTorch's defaults; openai: "
       "these, but the last layer of each block zero"},
      {FIELD(model, names),
       one_of({name_of(NamingScheme::kDiffusers), name_of(NamingScheme::kLabml)}), kFrozen,
       "Names of the tensors in weight files"},
      {CHOICE(model, qkv_order), kFrozen,
       "Order in OpenAI's files: q, k and v of each head together, or all q first "
       "(use_new_attention_order); it has no other effect"},
  };
}

}  // namespace ddpm::rows
