#include "ddpm/interop/text_encoders.h"

#include <gtest/gtest.h>

namespace ddpm {
namespace {

TensorSet set_of(const std::vector<std::string>& names) {
  TensorSet set;
  for (const std::string& name : names) set.tensors.push_back({name, DType::kF32, {4, 4}, {}});
  return set;
}

// The tell-tale tensors of the published single files.
TEST(TextEncoders, AreFoundInWholeModels) {
  struct Case {
    std::vector<std::string> names, places;
    ContextState state;
  };
  const std::vector<Case> cases = {
      {{"cond_stage_model.transformer.text_model.embeddings.token_embedding.weight",
        "first_stage_model.quant_conv.weight"},
       {"cond_stage_model.transformer."},
       ContextState::kLastNormed},
      {{"cond_stage_model.transformer.embeddings.token_embedding.weight"},  // a merge
       {"cond_stage_model.transformer."},
       ContextState::kLastNormed},
      {{"cond_stage_model.model.token_embedding.weight"},
       {"cond_stage_model.model."},
       ContextState::kPenultimateNormed},
      {{"conditioner.embedders.1.model.token_embedding.weight",
        "conditioner.embedders.0.transformer.text_model.embeddings.token_embedding.weight"},
       {"conditioner.embedders.0.transformer.", "conditioner.embedders.1.model."},
       ContextState::kPenultimate},
      {{"conditioner.embedders.0.model.token_embedding.weight"},  // XL's refiner
       {"conditioner.embedders.0.model."},
       ContextState::kPenultimate},
      {{"text_model.embeddings.token_embedding.weight"}, {""}, ContextState::kLastNormed},
  };
  for (const Case& test : cases) {
    const std::vector<FoundTextEncoder> found = find_text_encoders(set_of(test.names));
    ASSERT_EQ(found.size(), test.places.size()) << test.names.front();
    for (std::size_t i = 0; i < found.size(); ++i) {
      EXPECT_EQ(found[i].place, test.places[i]);
      EXPECT_EQ(found[i].state, test.state) << test.names.front();
      EXPECT_EQ(found[i].set.tensors.size(), 1);
    }
  }
  EXPECT_TRUE(find_text_encoders(set_of({"model.diffusion_model.out.2.weight"})).empty());
}

}  // namespace
}  // namespace ddpm
