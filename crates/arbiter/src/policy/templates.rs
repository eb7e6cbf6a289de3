//! With a preloaded application: the templates that workers are forked from, see [`crate::template`].
//!
//! A reload loads the application in a new template first, while the settings in force stay what they are.
//! When that is ready the rollout begins as any other; when it fails, nothing has changed.

use std::time::Duration;

use oxicorn_sys::notify::Milestone;
use oxicorn_sys::signals::Signal;
use oxicorn_sys::wait::Death;

use super::Arbiter;
use crate::rollout::{Reloading, Rollout};
use crate::stop::{BOOT_FAILED, Phase};
use crate::template::{Source, TemplateHandle, TemplateLife};
use crate::{Action, Notice, Options};

/// A reload whose template still loads the application.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    options: Options,
    template: u32,
}

impl Arbiter {
    pub(super) fn start(&mut self) {
        self.phase = Phase::Running;
        if self.options.preload {
            self.source = self.prepare();
        }
    }

    /// New settings are in force in the arbiter.
    pub(super) fn reloaded(&mut self, options: Options, now: Duration) {
        let again = false;
        self.reloading = Reloading::UnderWay { since: now, again };
        self.pending = None;
        if !options.preload {
            return self.begin_rollout(options, Source::Arbiter);
        }
        if let Source::Template(template) = self.prepare() {
            self.pending = Some(Pending { options, template });
        }
    }

    pub(super) fn template_ready(&mut self, number: u32) {
        let Some(template) = self.template(number) else {
            return;
        };
        if let TemplateLife::Loading(pid) = template.life {
            template.life = TemplateLife::Ready(pid);
            self.log(Notice::Preloaded(pid));
        }
        if let Some(pending) = self.pending.take_if(|pending| pending.template == number) {
            self.begin_rollout(pending.options, Source::Template(number));
        }
    }

    /// Workers of the generation that is wanted can be forked now.
    pub(super) fn can_spawn(&self) -> bool {
        match self.source {
            // The settings of this process are already those of a reload that may still fail.
            Source::Arbiter => self.pending.is_none(),
            Source::Template(number) => self
                .templates
                .iter()
                .any(|template| template.number == number && template.is_ready()),
        }
    }

    /// Replaces a template that died, ends those that nobody needs any more.
    pub(super) fn tend_templates(&mut self, now: Duration) {
        if let Source::Template(number) = self.source
            && self.template(number).is_none()
            && self.pending.is_none()
            && self.pause.wait(now).is_none()
        {
            self.source = self.prepare();
        }
        let before = match &self.rollout {
            Rollout::Canary(before) => before.source,
            _ => self.source,
        };
        let pending = self.pending.as_ref().map(|pending| pending.template);
        let kept = [self.source, before];
        self.end_templates(|number| {
            kept.contains(&Source::Template(number)) || pending == Some(number)
        });
    }

    /// Those that still load are ended at once, those that have workers when these are gone: their hooks are there.
    pub(super) fn end_templates(&mut self, is_kept: impl Fn(u32) -> bool) {
        for template in &mut self.templates {
            let number = template.number;
            if is_kept(number) {
                continue;
            }
            match template.life {
                TemplateLife::Loading(pid) => {
                    self.actions.push_back(Action::Kill(pid, Signal::Term));
                    template.life = TemplateLife::Leaving(pid);
                }
                TemplateLife::Ready(pid) => {
                    self.actions.push_back(Action::RetireTemplate { number });
                    template.life = TemplateLife::Retired(pid);
                }
                _ => {}
            }
            let mut workers = self.workers.iter();
            if let TemplateLife::Retired(pid) = template.life
                && !workers.any(|worker| worker.source == Source::Template(number))
            {
                self.actions.push_back(Action::EndTemplate { number });
                template.life = TemplateLife::Leaving(pid);
            }
        }
    }

    /// A child has ended; true if it was a template.
    pub(super) fn reap_template(&mut self, pid: i32, death: Death, now: Duration) -> bool {
        let Some(at) = self
            .templates
            .iter()
            .position(|template| template.pid() == Some(pid))
        else {
            return false;
        };
        let template = self.templates.remove(at);
        self.actions.push_back(Action::EndTemplate {
            number: template.number,
        });
        let is_told = matches!(template.life, TemplateLife::Leaving(_));
        if !self.phase.is_serving() || is_told {
            return true;
        }
        let is_pending = |pending: &mut Pending| pending.template == template.number;
        if self.pending.take_if(is_pending).is_some() {
            self.log(Notice::ReloadNotLoaded { pid, death });
            self.call_off_pending();
        } else if matches!(template.life, TemplateLife::Loading(_)) {
            self.fail_load(pid, death, now);
        } else {
            self.log(Notice::TemplateDied { pid, death });
            self.note_early_death(now);
        }
        true
    }

    /// The settings go back to the last ones that worked: with those of a canary that was not ready yet, the canary.
    fn call_off_pending(&mut self) {
        if matches!(self.rollout, Rollout::Canary(_)) {
            return self.call_off();
        }
        self.actions.push_back(Action::CallOffReload);
        if !matches!(self.rollout, Rollout::Starting) {
            self.notify(Milestone::Ready);
        }
    }

    fn fail_load(&mut self, pid: i32, death: Death, now: Duration) {
        let serving = self.serving();
        if matches!(self.rollout, Rollout::Starting) || serving == 0 {
            let status = match death {
                Death::Code(status @ 1..) => status,
                _ => {
                    self.log(Notice::TemplateDied { pid, death });
                    BOOT_FAILED
                }
            };
            return self.stop(Signal::Term, status, now);
        }
        self.log(Notice::NotLoaded {
            pid,
            death,
            serving,
        });
        self.note_early_death(now);
    }

    pub(super) fn settle_template(&mut self, number: u32, pid: Option<i32>) {
        match (self.template(number), pid) {
            (Some(template), Some(pid)) => template.life = TemplateLife::Loading(pid),
            _ => self.templates.retain(|template| template.number != number),
        }
    }

    fn prepare(&mut self) -> Source {
        self.last_template = self.last_template.wrapping_add(1);
        let number = self.last_template;
        self.templates.push(TemplateHandle {
            number,
            life: TemplateLife::Forking,
        });
        self.actions.push_back(Action::Prepare { number });
        Source::Template(number)
    }

    fn template(&mut self, number: u32) -> Option<&mut TemplateHandle> {
        self.templates
            .iter_mut()
            .find(|template| template.number == number)
    }
}
