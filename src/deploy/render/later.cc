#include "deploy/render/parts.h"
namespace hadal {
void render_kserve(const RenderContext&, RenderResult&) {}
void render_dynamo(const RenderContext&, RenderResult&) {}
void render_router(const RenderContext&, RenderResult&) {}
void render_scheduling(const RenderContext&, RenderResult&) {}
void render_autoscaling(const RenderContext&, RenderResult&) {}
void render_monitoring(const RenderContext&, RenderResult&) {}
void render_web_ui(const RenderContext&, RenderResult&) {}
}
