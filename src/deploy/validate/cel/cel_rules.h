// check_cel_rules: an object against the x-kubernetes-validations of its schema. Any thread.
#pragma once

#include <set>
#include <string>

#include "deploy/validate/reporter.h"
#include "deploy/validate/schema.h"
#include "deploy/validate/value.h"

namespace hadal {

// object: with its defaults filled in. Rules about oldSelf are for changes and are left out, as on creation.
// broken: names of fields that the schema refuses already; rules about them are left out, and those that
// cannot be answered then.
void check_cel_rules(const Value& object, Schema::Id schema, const SchemaSet& schemas, Reporter& reporter,
                     const std::set<std::string>& broken = {});

}  // namespace hadal
