mod crash;
mod damage;
mod files;
mod format;
mod model;
mod rules;
